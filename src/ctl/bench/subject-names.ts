/** Names of what is compared, in tables and reports. */

export const ownName = "multus-wasm";
export const clusterNetworkName = "cluster network alone";
