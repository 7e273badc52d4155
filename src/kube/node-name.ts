/** The name that a node has in its cluster, where no configuration says it. */

/** In a pod it is set from its own `spec.nodeName`. */
const variable = "MULTUS_NODE_NAME";

/** The name of the node that a process is on, as its environment has it; "" if it does not say. */
export function nodeNameIn(environment: Readonly<Record<string, string | undefined>>): string {
  return environment[variable] ?? "";
}
