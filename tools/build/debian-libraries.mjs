/**
 * Debian's packages of the libraries that the image's Node loads, for either architecture: apt downloads them and checks their signatures, and none is installed.
 * debian-libraries.lock.json has their versions and digests, as package-lock.json has npm's.
 */

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { cacheDirectory } from "../setup/kubernetes.mjs";
import { progress, run } from "../setup/process.mjs";
import { projectDirectory } from "../setup/project.mjs";
import { licenseOf } from "./debian-packages.mjs";

/** Node's own libraries, and the package of the licence texts that copyright files name. */
const wanted = ["base-files", "libc6", "libgcc-s1", "libstdc++6"];
const lockFile = join(projectDirectory, "tools", "build", "debian-libraries.lock.json");
const documentation = join("usr", "share", "doc");

/** Debian's names of directories for libraries. */
const triplets = { amd64: "x86_64-linux-gnu", arm64: "aarch64-linux-gnu" };

const sha256 = (file) => createHash("sha256").update(readFileSync(file)).digest("hex");
const readLock = () => JSON.parse(readFileSync(lockFile, "utf8"));

/** apt on lists of its own, so that it neither changes what this machine's apt knows nor needs root. */
class Apt {
  #directory = mkdtempSync(join(tmpdir(), "multus-wasm-apt-"));
  #architecture;
  #isUpdated = false;

  /** @param {"amd64" | "arm64"} architecture of the packages */
  constructor(architecture) {
    this.#architecture = architecture;
    chmodSync(this.#directory, 0o755);
    for (const path of ["lists/partial", "cache/archives/partial"]) {
      mkdirSync(join(this.#directory, path), { recursive: true });
    }
    writeFileSync(join(this.#directory, "status"), "");
  }

  #run(...args) {
    const options = {
      "APT::Architecture": this.#architecture,
      "APT::Architectures": this.#architecture,
      "Dir::State::Lists": join(this.#directory, "lists"),
      "Dir::State::status": join(this.#directory, "status"),
      "Dir::Cache": join(this.#directory, "cache"),
      "Acquire::Languages": "none",
      "Acquire::Retries": "3",
    };
    const words = Object.entries(options).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
    return run("apt-get", ["-q", ...words, ...args], {
      quiet: true,
      cwd: this.#directory,
      env: { LC_ALL: "C" },
    });
  }

  /**
   * @param {string} name of a package @param {string | undefined} version the newest if not given
   * @returns {Promise<string | undefined>} the file; undefined where apt's sources do not have that version
   * @throws {Error} with apt's message
   */
  async download(name, version) {
    let complaint = "";
    if (!this.#isUpdated) {
      // A source of other packages that cannot be reached does not count: the download decides.
      complaint = (await this.#run("update")).output;
      this.#isUpdated = true;
    }
    const named = version === undefined ? name : `${name}=${version}`;
    const { exitCode, output } = await this.#run("download", named);
    if (exitCode !== 0) {
      if (version !== undefined && /Version '.*' for '.*' was not found/.test(output)) return undefined;
      throw new Error(
        `apt-get download ${named} for ${this.#architecture} failed (the image's libraries are Debian 12's):\n${complaint}${output}`,
      );
    }
    const file = readdirSync(this.#directory).find(
      (entry) => entry.startsWith(`${name}_`) && entry.endsWith(".deb"),
    );
    if (file === undefined) throw new Error(`apt-get download ${named} left no file:\n${output}`);
    return join(this.#directory, file);
  }

  [Symbol.dispose]() {
    rmSync(this.#directory, { recursive: true });
  }
}

/** @returns {{ name: string, version: string, architecture: string }} of a .deb */
function fieldsOf(file) {
  const printed = execFileSync("dpkg-deb", ["--field", file, "Package", "Version", "Architecture"], {
    encoding: "utf8",
  });
  const fields = Object.fromEntries(
    printed
      .trim()
      .split("\n")
      .map((line) => line.split(": ")),
  );
  return { name: fields.Package, version: fields.Version, architecture: fields.Architecture };
}

/** @returns {string} where packages of one digest are kept, for all checkouts of a machine */
const keptFile = (digest) => join(cacheDirectory, "debian", `${digest}.deb`);

/** Puts a downloaded file there. @returns {{ file: string, digest: string }} */
function keep(downloaded) {
  const digest = sha256(downloaded);
  const file = keptFile(digest);
  mkdirSync(dirname(file), { recursive: true });
  // Another file system, and another run that writes the same.
  const temporary = `${file}.${process.pid}`;
  copyFileSync(downloaded, temporary);
  renameSync(temporary, file);
  return { file, digest };
}

/** Finds the packages of an architecture: in the cache, else by apt, by the lock or not. */
class Packages {
  #architecture;
  #locked;
  #mayDiffer;
  #apt;

  /**
   * @param {"amd64" | "arm64"} architecture
   * @param {Readonly<Record<string, { version: string, sha256: string }>>} locked
   * @param {boolean} mayDiffer take the newest version where the locked one is not to be had
   */
  constructor(architecture, locked, mayDiffer) {
    this.#architecture = architecture;
    this.#locked = locked;
    this.#mayDiffer = mayDiffer;
  }

  /** @param {string} name @returns {Promise<{ file: string, digest: string }>} the .deb @throws {Error} */
  async find(name) {
    const entry = this.#locked[name];
    if (entry !== undefined) {
      const kept = keptFile(entry.sha256);
      if (existsSync(kept) && sha256(kept) === entry.sha256) return { file: kept, digest: entry.sha256 };
      const downloaded = await this.#download(name, entry.version);
      if (downloaded !== undefined && sha256(downloaded) === entry.sha256) return keep(downloaded);
      const reason =
        downloaded === undefined
          ? `apt's sources have no ${name} ${entry.version} for ${this.#architecture}`
          : `${name} ${entry.version} for ${this.#architecture} is another file (sha256 ${sha256(downloaded)})`;
      const update =
        "`npm run image -- --update-libraries` writes the newest versions into debian-libraries.lock.json";
      if (!this.#mayDiffer) throw new Error(`${reason}; ${update}`);
      progress(`${reason}: the newest is taken, and the image's digest is another one; ${update}`);
    }
    return keep(await this.#download(name, undefined));
  }

  #download(name, version) {
    this.#apt ??= new Apt(this.#architecture);
    return this.#apt.download(name, version);
  }

  [Symbol.dispose]() {
    this.#apt?.[Symbol.dispose]();
  }
}

/** The package whose directory a package's documentation is: packages of one source share a copyright file. @returns {string} */
function documentedIn(root, name) {
  const path = join(root, documentation, name);
  return lstatSync(path).isSymbolicLink() ? basename(readlinkSync(path)) : name;
}

/**
 * Extracts the packages, and those that they have their documentation in.
 * @param {string} root an existing directory
 * @returns {Promise<Map<string, { version: string, sha256: string, architecture: string }>>} by name
 */
async function extract(packages, root) {
  const found = new Map();
  const pending = [...wanted];
  for (let name = pending.shift(); name !== undefined; name = pending.shift()) {
    if (found.has(name)) continue;
    const { file, digest } = await packages.find(name);
    execFileSync("dpkg-deb", ["--extract", file, root]);
    const { version, architecture } = fieldsOf(file);
    found.set(name, { version, sha256: digest, architecture });
    if (name !== "base-files") pending.push(documentedIn(root, name));
  }
  return found;
}

/** @param {string} file ELF @returns {{ interpreter: string | undefined, needed: string[] }} what it is loaded with */
function loadedWith(file) {
  const printed = execFileSync("readelf", ["--wide", "--dynamic", "--program-headers", file], {
    encoding: "utf8",
    env: { ...process.env, LC_ALL: "C" },
  });
  const [, interpreter] = /program interpreter: (\S+)\]/.exec(printed) ?? [];
  const needed = Array.from(printed.matchAll(/\(NEEDED\).*\[(\S+)\]/g), ([, name]) => name);
  return { interpreter, needed };
}

/** @param {string} name of a library @returns {string} its file @throws {Error} */
function libraryFile(root, architecture, name) {
  for (const directory of ["lib", join("usr", "lib")]) {
    const file = join(root, directory, triplets[architecture], name);
    if (existsSync(file)) return realpathSync(file);
  }
  throw new Error(`no package of ${wanted.join(", ")} has ${name} for ${architecture}`);
}

/**
 * A program's libraries, with those that they load, and the loader.
 * @param {string} root with the packages @param {string} program
 * @returns {Map<string, string>} files by their paths in the image, where the loader looks for them
 */
function librariesOf(root, architecture, program) {
  const { interpreter, needed } = loadedWith(program);
  if (interpreter === undefined) throw new Error(`${program} is linked statically`);
  const loader = basename(interpreter);
  const libraries = new Map([[interpreter, libraryFile(root, architecture, loader)]]);
  const pending = [...needed];
  for (let name = pending.shift(); name !== undefined; name = pending.shift()) {
    const path = join("/lib", triplets[architecture], name);
    if (name === loader || libraries.has(path)) continue;
    const file = libraryFile(root, architecture, name);
    libraries.set(path, file);
    pending.push(...loadedWith(file).needed);
  }
  return libraries;
}

/**
 * The libraries of a program, and what their packages say of them.
 * @param {"amd64" | "arm64"} architecture
 * @param {string} program an ELF file of that architecture
 * @param {string} root an empty directory for the packages' files
 * @param {{ mayDiffer?: boolean }} [options] mayDiffer: where a version of the lock is not to be had, take the newest and say so
 * @returns {Promise<{ libraries: Map<string, string>, packages: { name: string, version: string, architecture: string, license: string | undefined, copyright: string }[], licenses: string }>}
 *   libraries: files by their paths in the image; licenses: a directory with the texts that copyright files name
 * @throws {Error} where a package cannot be had, or a library is in none
 */
export async function debianLibraries(architecture, program, root, { mayDiffer = true } = {}) {
  using packages = new Packages(architecture, readLock()[architecture], mayDiffer);
  const found = await extract(packages, root);
  const described = wanted
    .filter((name) => name !== "base-files")
    .map((name) => {
      const { version, architecture: of } = found.get(name);
      const copyright = join(root, documentation, documentedIn(root, name), "copyright");
      return {
        name,
        version,
        architecture: of,
        license: licenseOf(name),
        copyright: readFileSync(copyright, "utf8"),
      };
    });
  return {
    libraries: librariesOf(root, architecture, program),
    packages: described,
    licenses: join(root, "usr", "share", "common-licenses"),
  };
}

/** Writes the newest versions that apt has into the lock. @returns {Promise<string>} the file @throws {Error} where apt cannot */
export async function updateLibraries() {
  const lock = {};
  for (const architecture of Object.keys(triplets)) {
    const root = mkdtempSync(join(tmpdir(), "multus-wasm-debian-"));
    try {
      using packages = new Packages(architecture, {}, true);
      const found = await extract(packages, root);
      const entries = Array.from(found, ([name, { version, sha256: digest }]) => [
        name,
        { version, sha256: digest },
      ]);
      lock[architecture] = Object.fromEntries(entries.sort(([one], [other]) => (one < other ? -1 : 1)));
    } finally {
      rmSync(root, { recursive: true });
    }
  }
  writeFileSync(lockFile, `${JSON.stringify(lock, null, 2)}\n`);
  return lockFile;
}
