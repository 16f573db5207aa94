// Builds the page: its script, one that makes films, and ONNX Runtime in another.
import { gunzipSync, gzipSync } from "node:zlib";
import { copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
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

const licenses = [
  ["onnxruntime-web", "https://github.com/microsoft/onnxruntime", "licenses/onnxruntime.txt"],
  ["mediabunny", "https://github.com/Vanilagy/mediabunny", "node_modules/mediabunny/LICENSE"],
  ["gifenc", "https://github.com/mattdesl/gifenc", "node_modules/gifenc/LICENSE.md"],
];
const version = (name) => JSON.parse(readFileSync(module(`${name}/package.json`), "utf8"));
const text = licenses.map(([name, source, file]) => {
  const { version: v, license } = version(name);
  return `${name} ${v} (${license}), source: ${source}\n\n${readFileSync(new URL(file, import.meta.url), "utf8").trim()}\n`;
});
writeFileSync(at("licenses.txt"), `This page contains the following software.\n\n${text.join(`\n${"-".repeat(79)}\n\n`)}`);
