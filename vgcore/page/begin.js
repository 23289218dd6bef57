// What a report does when it is opened. Needs all of the others.

const data = JSON.parse(document.getElementById("data")?.textContent ?? "{}");
const explorer = document.getElementById("explore");
if (explorer && data.flows) new Explorer(explorer, data.flows);
const byEpoch = document.getElementById("history");
if (byEpoch && data.history) showHistory(byEpoch, data.history);
addEventListener("beforeprint", () =>
  document.querySelectorAll(/** @type {"details"} */ ("details.printed")).forEach((each) => {
    each.open = true;
  }),
);
