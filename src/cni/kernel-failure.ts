/** A kernel's refusal as an error with its position. */

import { InputError, textError } from "../base/input-error.ts";
import { parseJson } from "../base/json.ts";
import { type AdjustInput, KernelError, type Kernels, type MergeInput } from "../kernels/index.ts";
import { CniError, CniErrorCode } from "./errors.ts";

/**
 * The error for a document that a kernel refused: 6 if it is not JSON, 7 if it says something wrong.
 * @param bytes the document
 * @param where names its source
 */
export function configFailure(error: KernelError, bytes: Uint8Array, where: string): InputError {
  try {
    parseJson(bytes, where);
  } catch (notJson) {
    if (notJson instanceof InputError) return notJson;
    throw notJson;
  }
  const problem = { message: error.problem, ...error.place };
  return textError("content", where, [problem], { cause: error });
}

/** A configuration with what is added to it. @param where names it in errors @throws {CniError} 7 where something does not go into it */
export function adjustedConfig(kernels: Kernels, input: AdjustInput, where: string): Uint8Array {
  try {
    return kernels.adjustConfig(input);
  } catch (error) {
    if (error instanceof KernelError) throw configFailure(error, input.config, where);
    throw error;
  }
}

/** A plugin's stdin. @throws {CniError} 7 where one of the inputs does not go into it */
export function pluginStdin(kernels: Kernels, input: MergeInput): Uint8Array {
  try {
    return kernels.mergeConfig(input);
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    throw new CniError(CniErrorCode.invalidNetworkConfig, `network ${input.name}: ${error.message}`, "", {
      cause: error,
    });
  }
}
