/** The checksum of recorded DELs. */

/** CRC-32 (IEEE 802.3, zlib's). A static import of node:zlib would load it in every daemon, and few ever see a recorded DEL. */
export function checksum(bytes: Uint8Array): number {
  return process.getBuiltinModule("node:zlib").crc32(bytes);
}
