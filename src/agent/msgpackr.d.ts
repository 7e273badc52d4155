/** The build of msgpackr that makes no code at run time has no types of its own; it exports what the other one does. */
declare module "msgpackr/index-no-eval" {
  export { addExtension, Packr, RESERVE_START_SPACE, Unpackr } from "msgpackr";
}
