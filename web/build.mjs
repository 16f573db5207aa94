// Builds the page: its script, one that makes films, and ONNX Runtime in another; and copies jsPsych for packs.
import { gunzipSync, gzipSync } from "node:zlib";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { build } from "esbuild";

const TARGET = new URL("../interpzoo/demo/site/", import.meta.url);
const module = (path) => new URL(`node_modules/${path}`, import.meta.url);
const packed = (content) => gzipSync(content, { level: 9 }).toString("base64");
const at = (name) => new URL(name, TARGET);

const options = (name) => ({
  entryPoints: [new URL(`src/${name}.ts`, import.meta.url).pathname],
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  conditions: ["onnxruntime-web-use-extern-wasm"],
  legalComments: "none",
  logLevel: "warning",
  charset: "utf8",
});
await build({ ...options("main"), outfile: at("page.js").pathname });
await build({ ...options("films"), outfile: at("films.js").pathname });
const worker = await build({ ...options("worker"), write: false });

const ort = (name) => readFileSync(module(`onnxruntime-web/dist/ort-wasm-simd-threaded.${name}`));
const parts = { worker: Buffer.from(worker.outputFiles[0].contents), "ort.wasm": ort("wasm"), "ort.mjs": ort("mjs") };
// Another version of zlib packs the same content differently: what is there is kept if its content is the same.
const unpacked = (name) => {
  const found = readFileSync(at("runtime.js"), "utf8").match(new RegExp(`"${name}", "([^"]*)"`));
  return found === null ? Buffer.of() : gunzipSync(Buffer.from(found[1], "base64"));
};
const isSame = ([name, content]) => unpacked(name).equals(content);
const calls = Object.entries(parts).map(([name, content]) => `interpzoo.part("${name}", "${packed(content)}");\n`);
if (!existsSync(at("runtime.js")) || !Object.entries(parts).every(isSame)) writeFileSync(at("runtime.js"), calls.join(""));

for (const name of ["index.html", "style.css"]) copyFileSync(new URL(`src/${name}`, import.meta.url), at(name));

const version = (name) => JSON.parse(readFileSync(module(`${name}/package.json`), "utf8"));
/** The licenses of what a folder contains: names, sources, and files or texts. */
const licensesOf = (what, licenses) => {
  const text = licenses.map(([name, source, content]) => {
    const { version: v, license } = version(name);
    return `${name} ${v} (${license}), source: ${source}\n\n${content.trim()}\n`;
  });
  return `${what} contains the following software.\n\n${text.join(`\n${"-".repeat(79)}\n\n`)}`;
};
const read = (file) => readFileSync(new URL(file, import.meta.url), "utf8");
const page = [
  ["onnxruntime-web", "https://github.com/microsoft/onnxruntime", read("licenses/onnxruntime.txt")],
  ["mediabunny", "https://github.com/Vanilagy/mediabunny", read("node_modules/mediabunny/LICENSE")],
  ["gifenc", "https://github.com/mattdesl/gifenc", read("node_modules/gifenc/LICENSE.md")],
];
writeFileSync(at("licenses.txt"), licensesOf("This page", page));

// jsPsych, for the page of a pack of stimuli: as it is published, but for its fonts and its addresses on the network.
const PACKS = new URL("../interpzoo/packs/jspsych/", import.meta.url);
const plugin = "@jspsych/plugin-image-keyboard-response";
const local = (text) => `${text.replace(/\/\/# sourceMappingURL=.*/, "").trim()}\n`;
mkdirSync(PACKS, { recursive: true });
for (const [name, file] of [["jspsych", "jspsych.js"], [plugin, "image-keyboard-response.js"]]) {
  writeFileSync(new URL(file, PACKS), local(read(`node_modules/${name}/dist/index.browser.min.js`)));
}
const style = read("node_modules/jspsych/css/jspsych.css");
const fonts = /\/\*!\*[^]*?\*\/\s*|\/\* open-sans-[^*]*\*\/\s*|@font-face\s*\{[^}]*\}\s*/g; // and what the packer says of files
writeFileSync(new URL("jspsych.css", PACKS), local(style.replace(fonts, "")));
const alea = read("node_modules/seedrandom/lib/alea.js").match(/^(\/\/.*\n|\n)+/)[0].replace(/^\/\/ ?/gm, "");
const { 1: seedrandom } = read("node_modules/seedrandom/README.md").match(/LICENSE \(MIT\)\n-+\n([^]*)/);
const packs = [
  ["jspsych", "https://github.com/jspsych/jsPsych", read("licenses/jspsych.txt")],
  [plugin, "https://github.com/jspsych/jsPsych", read("licenses/jspsych.txt")],
  ["auto-bind", "https://github.com/sindresorhus/auto-bind", read("node_modules/auto-bind/license")],
  ["random-words", "https://github.com/apostrophecms/random-words", read("node_modules/random-words/LICENSE")],
  ["seedrandom", "https://github.com/davidbau/seedrandom", `${seedrandom.trim()}\n\n${alea}`],
];
writeFileSync(new URL("licenses.txt", PACKS), licensesOf("This folder", packs));
