// What Python puts in front of the scripts.
declare const STYLE: string;
declare const SITE: { pyodide: string; wheel: string; numpy: string | null };
