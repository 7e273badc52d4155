/** Names in a cniDir beside the containers' plans. Each begins with a dot, as no container id does. */

/** DELs that shims recorded (docs/wire.md, "DELs while no daemon is there"). */
export const spoolDirectory = ".spool";

/** How often DELs have failed (docs/wire.md, "DELs that fail"). */
export const failedDelsDirectory = ".failed-dels";
