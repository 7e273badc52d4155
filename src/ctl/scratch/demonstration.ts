/** The default networks of `multusctl try`: a bridge as cluster network and two macvlan networks on one uplink. */

/** The link of the scratch node that the macvlan networks are made on. */
const demonstrationUplink = "eth1";

/** A bridge with a gateway, as a simple cluster network has it. */
export const demonstrationClusterNetwork = {
  cniVersion: "1.0.0",
  name: "demo-bridge",
  plugins: [
    {
      type: "bridge",
      bridge: "cni0",
      isDefaultGateway: true,
      ipam: { type: "host-local", ranges: [[{ subnet: "10.88.0.0/16" }]] },
    },
  ],
};

/** Two NetworkAttachmentDefinitions; the selection names the interface of the second. */
export const demonstrationNads = [
  nad("macvlan-a", [[{ subnet: "192.168.11.0/24" }]]),
  nad("macvlan-b", [[{ subnet: "192.168.12.0/24" }]]),
];

/** The pod's selections. */
export const demonstrationSelection = "macvlan-a, macvlan-b@data0";

function nad(name: string, ranges: readonly { readonly subnet: string }[][]) {
  return {
    apiVersion: "k8s.cni.cncf.io/v1",
    kind: "NetworkAttachmentDefinition",
    metadata: { name, namespace: "default" },
    spec: {
      config: JSON.stringify({
        cniVersion: "1.0.0",
        name,
        type: "macvlan",
        master: demonstrationUplink,
        mode: "bridge",
        ipam: { type: "host-local", ranges },
      }),
    },
  };
}
