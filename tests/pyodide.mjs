// Runs a Python script in Pyodide: node pyodide.mjs PACKAGE SITE SCRIPT ARGUMENTS
//
// PACKAGE is npm's folder `pyodide`, SITE a folder of installed packages. The script sees these folders, and the
// working directory, where they are.
import { dirname, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const RUN = `
import os, runpy, sys

sys.argv = given["argv"]
sys.path[:0] = [os.path.dirname(sys.argv[0]), given["site"]]
os.chdir(given["directory"])
code = 0
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
except SystemExit as ended:
    code = ended.code
int(code or 0)
`;

const [pkg, site, script, ...rest] = process.argv.slice(2);
const given = { argv: [resolve(script), ...rest], site: resolve(site), directory: process.cwd() };
const { loadPyodide } = await import(pathToFileURL(resolve(pkg, "pyodide.mjs")));
const pyodide = await loadPyodide({ env: process.env });
for (const folder of new Set([given.directory, given.site, dirname(given.argv[0])]))
    pyodide.mountNodeFS(folder, folder);
pyodide.globals.set("given", pyodide.toPy(given));
try {
    process.exitCode = pyodide.runPython(RUN);
} catch (error) {
    console.error(error.message); // its stack shows Pyodide's only line
    process.exitCode = 1;
}
