/**
 * CHECK of networks whose plugins are not run: their interfaces are held to what their cached results say (docs/behaviour.md, "CHECK"). Many plugins cannot CHECK, and with a
 * runtime that CHECKs after every ADD no pod would start with one of them.
 */

import { ExecutorError, type LinkState, mostLinks } from "../agent/executor.ts";
import { objectMembers } from "../base/json.ts";
import { CniError, CniErrorCode } from "../cni/errors.ts";
import { orderCode } from "../cni/plugin-failure.ts";
import { mostAddressesNamed } from "./input/bounds.ts";
import { podError } from "./input/pod-error.ts";
import type { Attachment } from "./request/attachment.ts";
import type { Call } from "./request/call.ts";
import { type ResultLink, readResultLink } from "./state/expected-link.ts";

interface Looked {
  readonly attachment: Attachment;
  readonly link: ResultLink;
}

/**
 * Looks whether the interfaces are in the pod's network namespace, with the MAC addresses and the addresses of their results: no process is started, and there is one order for all
 * (for each mostLinks of them). A network whose result names no interface in the pod is passed over.
 * @returns what is wrong, one error for each network, naming the network, the interface and what it lacks
 * @throws {CniError} naming the pod: the namespace cannot be entered or looked at
 */
export async function checkLinks(call: Call, attachments: readonly Attachment[]): Promise<CniError[]> {
  const errors: CniError[] = [];
  const looked: Looked[] = [];
  for (const attachment of attachments) {
    try {
      const found = await fromCache(call, attachment);
      if (found !== undefined) looked.push(found);
    } catch (error) {
      errors.push(podError(error, call.sandbox.pod, attachment.name));
    }
  }
  for (let begin = 0; begin < looked.length; begin += mostLinks) {
    const part = looked.slice(begin, begin + mostLinks);
    const states = await linkStates(call, part);
    for (const [index, one] of part.entries()) {
      const problem = problemOf(call, one, states[index]);
      if (problem === undefined) continue;
      const error = new CniError(CniErrorCode.internal, problem);
      errors.push(podError(error, call.sandbox.pod, one.attachment.name));
    }
  }
  return errors;
}

/** Reads the attachment's interface from the cached result. undefined: there is no result, or it does not list the interface. @throws {CniError} 6 */
async function fromCache({ chain, sandbox }: Call, attachment: Attachment): Promise<Looked | undefined> {
  const { name, ifName, cached } = attachment;
  const result = cached?.result;
  if (cached === undefined || result === undefined) {
    // Go multus's daemon takes a network out of a running pod, and leaves it in the plan.
    chain.log.verbose("CHECK skips a network: there is no result of it", { network: name, ifName });
    return undefined;
  }
  const sandboxes = [sandbox.netns, cached.netns].filter((path) => path !== "");
  const link = await chain.largeWork.run(result.length, () => readResultLink(result, ifName, sandboxes));
  return link && { attachment, link };
}

async function linkStates(
  { chain, sandbox }: Call,
  looked: readonly Looked[],
): Promise<readonly LinkState[]> {
  const links = looked.map(({ link: { ifName, addresses } }) => ({ ifName, addresses }));
  try {
    return await chain.executor.linkStates(sandbox.netns, links);
  } catch (error) {
    if (!(error instanceof ExecutorError)) throw error;
    const names = looked.map(({ attachment }) => attachment.name);
    const message = `the interfaces of further networks cannot be looked at (${names.join(", ")}): ${error.message}`;
    throw podError(new CniError(orderCode(error), message, "", { cause: error }), sandbox.pod);
  }
}

/** undefined: the interface is as it should be. */
function problemOf(
  { sandbox }: Call,
  { attachment, link }: Looked,
  state: LinkState | undefined,
): string | undefined {
  const { ifName, mac } = link;
  if (state?.exists !== true) {
    return link.mayBeInUserSpace || hasDevice(attachment)
      ? undefined
      : `interface ${ifName} is missing in ${sandbox.netns}`;
  }
  const problems: string[] = [];
  const there = Buffer.from(state.mac).toString("hex");
  if (mac !== undefined && there.length === mac.length && there !== mac) {
    problems.push(`has the MAC address ${colons(there)}, not ${colons(mac)} of its result`);
  }
  if (state.absent.length > 0) {
    const named = state.absent.slice(0, mostAddressesNamed);
    const further = state.absent.length - named.length;
    problems.push(
      `lacks the addresses ${named.join(", ")}${further > 0 ? ` and ${further} more` : ""} of its result`,
    );
  }
  return problems.length === 0 ? undefined : `interface ${ifName} ${problems.join(", and ")}`;
}

function colons(hex: string): string {
  return (hex.match(/../g) ?? []).join(":");
}

/** Keys with which plugins are told of a device: SR-IOV, host-device, InfiniBand. */
const deviceKeys: ReadonlySet<string> = new Set(["deviceid", "pcibusid"]);

/**
 * Was a PCI device asked for? With a driver such as vfio-pci a program in the pod drives it, and the kernel has no link, but the plugin's result has an interface all the same.
 */
function hasDevice({ network, request, cached }: Attachment): boolean {
  const args = cached?.capabilityArgs;
  const objects = [...network.plugins.map(({ bytes }) => bytes), ...(args ? [args] : [])];
  return request.deviceID !== undefined || objects.some(namesDevice);
}

/** @param object JSON text that was checked when it was read */
function namesDevice(object: Uint8Array): boolean {
  return objectMembers(object, "configuration", (name) => deviceKeys.has(name.toLowerCase())).size > 0;
}
