/**
 * Global setup of the cluster's suites: the places of a node are there as long as any file runs. A file that made and removed them alone would take away what another
 * one, beside it, has mounted on them in its own mount namespace.
 */

import { MountPoints } from "./host-places.ts";
import { deviceInformationPlace, nodePlaces } from "./node-places.ts";

/** @returns what removes those that it made */
export default function keepPlaces(): () => void {
  const places = new MountPoints([...nodePlaces, deviceInformationPlace]);
  return () => places[Symbol.dispose]();
}
