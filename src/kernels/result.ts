/** The kernels of CNI results: check and convert, outline. */

import type { WasmContext } from "./context.ts";
import { KernelError } from "./error.ts";
import type { ConvertInput, ResultOutline } from "./index.ts";

/** Versions of the CNI specification, numbered as in assembly/result/versions.ts. */
const versions: ReadonlyMap<string, number> = new Map([
  // Where nothing is said, libcni takes the oldest.
  ["", 0],
  ["0.1.0", 0],
  ["0.2.0", 1],
  ["0.3.0", 2],
  ["0.3.1", 3],
  ["0.4.0", 4],
  ["1.0.0", 5],
  ["1.1.0", 6],
]);
const noVersion = -1;
const unknownVersion = -2;

/** Name of the gateways to add, in errors. */
const gatewaysName = "defaultRoutes.add";

// The bits of assembly/result/edits.ts.
const edit = 1;
const removeIPv4 = 2;
const removeIPv6 = 4;

/** Checks a result and prints it in another version; see ConvertInput. */
export function convertResult(context: WasmContext, input: ConvertInput): Uint8Array {
  const { result, configVersion, targetVersion, defaultRoutes } = input;
  const target = targetVersion === undefined ? noVersion : versions.get(targetVersion);
  if (target === undefined) {
    const what = `targetVersion: "${targetVersion}" is not a supported version`;
    throw new KernelError("unsupported-version", what, "targetVersion", 0);
  }
  let flags = 0;
  let gateways = "";
  if (defaultRoutes !== undefined) {
    flags = edit | (defaultRoutes.removeIPv4 ? removeIPv4 : 0) | (defaultRoutes.removeIPv6 ? removeIPv6 : 0);
    if (defaultRoutes.add.length > 0) gateways = JSON.stringify(defaultRoutes.add);
  }
  context.start(context.roomFor("result", result) + context.roomFor(gatewaysName, gateways));
  const resultAddress = context.putBytes("result", result);
  const gatewaysAddress = gateways === "" ? 0 : context.putText(gateways, gatewaysName);
  const gatewaysLength = gateways === "" ? 0 : context.textLength;
  context.check(
    context.exports.convertResult(
      resultAddress,
      result.length,
      versions.get(configVersion) ?? unknownVersion,
      target,
      flags,
      gatewaysAddress,
      gatewaysLength,
    ),
  );
  return context.takeResult();
}

/** Looks at what a result lists; see ResultOutline. */
export function outlineResult(context: WasmContext, result: Uint8Array): ResultOutline {
  context.call(context.exports.outlineResult, { result });
  const at = context.resultAddress;
  const words = context.resultLength / Uint32Array.BYTES_PER_ELEMENT;
  const addresses: string[] = [];
  for (let index = 1; index < words; index += 2) {
    const quote = context.word(at, index);
    addresses.push(JSON.parse(context.text(quote, context.word(at, index + 1) - quote)));
  }
  const isAttachment = words > 1 || context.word(at, 0) > 0;
  context.end();
  return { isAttachment, addresses };
}
