/**
 * A disk of a few megabytes (tmpfs) for one server's data, which a test can fill and free.
 *
 * Contract: the mount is detached as soon as the server works in it. From then on the disk lives
 * only through the files that are open on it, so nothing is left behind, however the test ends.
 */
import { join } from "node:path";
import type { ServerUser } from "../../deploy/local/program.ts";

const SIZE = "16m";
const CHUNK_BYTES = 64 * 1024;
/** More than the disk holds: a disk that cannot be filled is a broken test. */
const MAX_CHUNKS = 1_000;

/** Why no disk can be mounted here; undefined when one can. */
export function whyNoSmallDisk(): string | undefined {
  const folder = Deno.makeTempDirSync({ prefix: "hexmile-disk-" });
  try {
    const mounted = run("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", folder]);
    if (mounted !== undefined) return mounted;
    return run("umount", [folder]);
  } finally {
    Deno.removeSync(folder);
  }
}

/** A mounted disk. */
export class SmallDisk implements Disposable {
  readonly #folder: string;
  readonly #ballast: Deno.FsFile;
  #isMounted = true;

  private constructor(folder: string, ballast: Deno.FsFile) {
    this.#folder = folder;
    this.#ballast = ballast;
  }

  /** Mounts a disk on a folder for a server of that user. @throws Error where that is not allowed. */
  static mount(folder: string, user: ServerUser | undefined): SmallDisk {
    Deno.mkdirSync(folder, { recursive: true });
    const owner = user === undefined ? "" : `,uid=${user.uid},gid=${user.gid}`;
    const options = `size=${SIZE},mode=700${owner}`;
    const failure = run("mount", ["-t", "tmpfs", "-o", options, "tmpfs", folder]);
    if (failure !== undefined) throw new Error(`cannot mount a small disk: ${failure}`);
    const ballast = Deno.openSync(join(folder, "ballast"), { create: true, write: true });
    return new SmallDisk(folder, ballast);
  }

  /** Takes the mount off; call it when the server has its files open. */
  detach(): void {
    if (!this.#isMounted) return;
    const failure = run("umount", ["--lazy", this.#folder]);
    if (failure !== undefined) throw new Error(`cannot detach a small disk: ${failure}`);
    this.#isMounted = false;
  }

  /** Leaves no byte free. */
  fill(): void {
    const chunk = new Uint8Array(CHUNK_BYTES);
    for (let written = 0; written < MAX_CHUNKS; written++) {
      try {
        this.#ballast.writeSync(chunk);
      } catch (error) {
        if (error instanceof Error && /ENOSPC|os error 28/.test(error.message)) return;
        throw error;
      }
    }
    throw new Error(`the small disk took ${MAX_CHUNKS} chunks and is not full`);
  }

  free(): void {
    this.#ballast.truncateSync(0);
    this.#ballast.seekSync(0, Deno.SeekMode.Start);
  }

  [Symbol.dispose](): void {
    this.#ballast.close();
    this.detach();
  }
}

/** Runs a program; its complaint when it fails. */
function run(program: string, args: readonly string[]): string | undefined {
  try {
    const { success, stderr } = new Deno.Command(program, {
      args: [...args],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).outputSync();
    return success ? undefined : `${program}: ${new TextDecoder().decode(stderr).trim()}`;
  } catch (error) {
    return `${program}: ${error instanceof Error ? error.message : error}`;
  }
}
