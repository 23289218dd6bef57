// The parts of vgcore/page share one scope, so that what one of them declares another may use: types are checked
// over all of them, which finds names that nobody declares.
import js from "@eslint/js";

export default [
  {
    ...js.configs.recommended,
    languageOptions: { ecmaVersion: 2022, sourceType: "script" },
    rules: {
      ...js.configs.recommended.rules,
      "no-undef": "off",
      "no-unused-vars": ["error", { vars: "local", argsIgnorePattern: "^_" }],
      eqeqeq: "error",
      "no-var": "error",
      "prefer-const": "error",
    },
  },
  { files: ["**/site.js", "**/widget.js"], languageOptions: { sourceType: "module" } }, // end a module
];
