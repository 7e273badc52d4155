/** The API's word at that moment counts, whatever request, watch and API say of a pod, and it is asked only where the others differ. */

import fc from "fast-check";
import { expect, it } from "vitest";
import { CniError } from "../../../src/cni/errors.ts";
import { silentLogger } from "../../../src/log/logger.ts";
import { findPod, isStaticPod } from "../../../src/multus/cluster/pod-lookup.ts";
import { PretendedCluster } from "../../support/pretended-cluster.ts";

const networks = fc.option(fc.constantFrom("", "a", "b", "a,b"), { nil: undefined });
const annotations = fc
  .record({
    "k8s.v1.cni.cncf.io/networks": networks,
    "v1.multus-cni.io/default-network": networks,
    "kubernetes.io/config.source": fc.constantFrom(undefined, "api", "api", "file"),
  })
  .map(
    (values) =>
      Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Readonly<
        Record<string, string>
      >,
  );
const details = fc
  .record({ annotations, uid: fc.constantFrom("u-1", "u-1", "u-1", "u-2") })
  .map((pod) => ({ ...pod, isStatic: isStaticPod(pod.annotations) }));

/** Annotations that decide which networks a pod gets. */
const choice = (of: Readonly<Record<string, string>>) => [
  of["k8s.v1.cni.cncf.io/networks"],
  of["v1.multus-cni.io/default-network"],
];

it("the newest annotations that can be had are used", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.option(annotations, { nil: undefined }),
      fc.option(details, { nil: undefined }),
      fc.option(details, { nil: undefined }),
      fc.boolean(),
      async (given, watched, live, away) => {
        const cluster = new PretendedCluster();
        if (watched !== undefined) cluster.watched.set("default/web", watched);
        cluster.live.set("default/web", live);
        cluster.away = away;
        const pod = { namespace: "default", name: "web", uid: "u-1", sandboxId: "s" };
        const found = await findPod(cluster.pods, pod, given, silentLogger).catch((error: unknown) => {
          expect(error).toBeInstanceOf(CniError);
          return error as CniError;
        });

        const isStatic = given !== undefined && isStaticPod(given);
        const known = watched ?? (away ? undefined : live);
        const isOther = (it: typeof known) => it !== undefined && it.uid !== "u-1" && !it.isStatic;
        const differ =
          given !== undefined &&
          known !== undefined &&
          JSON.stringify(choice(given)) !== JSON.stringify(choice(known.annotations));
        const asks = differ && !isStatic && !isOther(known);
        expect(cluster.trace).toEqual([
          given === undefined ? "find web retry" : "find web",
          ...(asks ? ["ask web"] : []),
        ]);

        const decisive = asks && !away ? live : known;
        if (isStatic) {
          expect(found).toMatchObject({ annotations: given });
        } else if (isOther(known) || isOther(decisive)) {
          expect(found).toMatchObject({ code: 4 });
        } else if (decisive === undefined && away) {
          expect(found).toMatchObject(given === undefined ? { code: 11 } : { annotations: given });
        } else if (decisive === undefined) {
          expect(found).toBeUndefined();
        } else {
          const newest = asks && away ? (given ?? {}) : decisive.annotations;
          expect(choice((found as { annotations: Record<string, string> }).annotations)).toEqual(
            choice(newest),
          );
        }
      },
    ),
    { numRuns: 2000 },
  );
});
