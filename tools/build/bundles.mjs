/** Bundles daemon and ctl into build/multusd.mjs and build/multusctl.mjs: one executable file each, without node_modules. */

import { chmod, readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { buildProtos } from "./protos.mjs";
import { buildValidators } from "./validators.mjs";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");

/** By the bundle's name. */
export const entryPoints = {
  multusd: "src/daemon/main.ts",
  multusctl: "src/ctl/main.ts",
};

/** Code for bundled CommonJS packages, which import Node's modules by require(). */
const banner = `#!/usr/bin/env node
import { createRequire as makeRequire } from "node:module";
const require = makeRequire(import.meta.url);`;

/** Imports that are not needed, of @kubernetes/client-node to read a kubeconfig: the names that are imported of each module. */
const leftOut = new Map([
  ["./gen/index.js", ["createConfiguration", "ServerConfiguration"]],
  ["./gen/rxjsStub.js", ["of"]],
  ["hpagent", ["HttpProxyAgent", "HttpsProxyAgent"]],
  ["jsonpath-plus", ["JSONPath"]],
  ["node:child_process", []],
  ["node:http", []],
  ["node:https", []],
  ["node:tls", []],
  ["openid-client", ["Configuration", "discovery", "refreshTokenGrant"]],
  ["socks", ["SocksClient"]],
  ["socks-proxy-agent", ["SocksProxyAgent"]],
  ["undici", ["Agent", "ProxyAgent"]],
]);

/** Modules of @grpc/grpc-js that a client of a unix socket does not use: servers, other resolvers and balancers, the configurations that resolvers bring, and what describes all of them to gRPC's own monitoring. */
const leftOutOfGrpc = new Set([
  "./experimental",
  "./load-balancer-outlier-detection",
  "./load-balancer-round-robin",
  "./load-balancer-weighted-round-robin",
  "./orca",
  "./resolver-dns",
  "./resolver-ip",
  "./server",
  "./server-credentials",
  "./server-interceptors",
  "./service-config",
  "@grpc/proto-loader",
]);

/**
 * Of @kubernetes/client-node only KubeConfig is used, and of that only what reads a file. It imports a second HTTP client, proxy and OpenID clients and a type
 * for every object of Kubernetes, and modules of Node that a bundle's start would pay for: in all 30 MB of a daemon's memory; without them it is 2 MB, and only where
 * there is a kubeconfig. Of @grpc/grpc-js only its client is used, on nodes with devices; the text of the whole would be in every daemon's memory. protobufjs goes on without
 * long: none of the messages has a number of 64 bits. A module that is used after all throws an error that says so.
 */
const leaveOut = {
  name: "leave-out",
  setup(bundle) {
    bundle.onResolve({ filter: /^[^/]/ }, ({ path, importer }) => {
      if (importer.includes("/@kubernetes/client-node/") && leftOut.has(path)) {
        return { path, namespace: "left-out" };
      }
      if (importer.includes("/@grpc/grpc-js/") && leftOutOfGrpc.has(path)) {
        return { path, namespace: "left-out-of-grpc" };
      }
      return importer.includes("/protobufjs/") && path === "long"
        ? { path, namespace: "missing" }
        : undefined;
    });
    bundle.onLoad({ filter: /./, namespace: "left-out" }, ({ path }) => {
      const names = leftOut.get(path).map((name) => `refuse as ${name}`);
      return {
        contents: `${refusal(path, "it reaches API servers without it")}
export default new Proxy(refuse, { get: () => refuse });
export { ${names.join(", ")} };`,
      };
    });
    bundle.onLoad({ filter: /./, namespace: "left-out-of-grpc" }, ({ path }) => ({
      // The package sets all of its modules up when it is loaded.
      contents: `${refusal(path, "it is a client of unix sockets alone")}
module.exports = new Proxy({ setup() {} }, { get: (known, name) => known[name] ?? refuse });`,
    }));
    bundle.onLoad({ filter: /./, namespace: "missing" }, ({ path }) => ({
      contents: `throw new Error(${JSON.stringify(`${path} is not part of this program`)});`,
    }));
  },
};

/** A function that says what is missing. */
function refusal(path, why) {
  const message = JSON.stringify(`${path} is not part of this program: ${why}`);
  return `function refuse() { throw new Error(${message}); }`;
}

/** The common options of all bundles. */
export const bundleOptions = {
  // It adds types to commander, and no code.
  alias: { "@commander-js/extra-typings": "commander" },
  absWorkingDir: root,
  bundle: true,
  platform: "node",
  target: "node24",
  plugins: [leaveOut],
  // Comments and blanks are parsed at every start; names stay as they are for stack traces.
  minifyWhitespace: true,
  minifySyntax: true,
  legalComments: "none",
  logLevel: "warning",
};

/**
 * Writes build/multusd.mjs and build/multusctl.mjs, with source maps beside them.
 * @returns {Promise<string[]>} the files written
 */
export async function buildBundles() {
  await buildValidators();
  await buildProtos();
  await build({
    ...bundleOptions,
    entryPoints: Object.entries(entryPoints).map(([out, path]) => ({ in: path, out })),
    outdir: "build",
    outExtension: { ".js": ".mjs" },
    format: "esm",
    banner: { js: banner },
    sourcemap: "linked",
  });
  const files = Object.keys(entryPoints).map((name) => join(root, "build", `${name}.mjs`));
  for (const file of files) {
    await checkAscii(file);
    await chmod(file, 0o755);
  }
  return files;
}

/**
 * One sign that is not in Latin-1, and V8 keeps the whole text of a bundle in two bytes a sign: a megabyte of every daemon. esbuild escapes them wherever it can,
 * which is not in regular expressions.
 */
async function checkAscii(file) {
  const text = await readFile(file, "utf8");
  const at = text.search(/[^\0-\x7f]/);
  if (at < 0) return;
  throw new Error(`${file}: not ASCII, at offset ${at}: ${text.slice(Math.max(0, at - 60), at + 20)}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.stdout.write(`${(await buildBundles()).join("\n")}\n`);
}
