import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import path from 'node:path'

/** A small file system in memory under a server's data, which can be filled to the last byte. Root only. */
export class SmallDisk {
  private readonly unmount = () => void spawnSync('umount', ['-l', this.dir])

  private constructor(readonly dir: string) {
    process.on('exit', this.unmount)
  }

  /** Undefined where this machine does not let us mount. */
  static mount(dir: string, mebibytes: number): SmallDisk | undefined {
    mkdirSync(dir, { recursive: true })
    writeFileSync(`${dir}.owner`, String(process.pid))
    const done = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m,mode=0755`, 'tmpfs', dir])
    return done.status === 0 ? new SmallDisk(dir) : undefined
  }

  /** Unmounts what runs that were killed have left: it takes memory. */
  static sweep(): void {
    for (const line of mounts().filter(each => each.includes('/keepsake-faults-'))) {
      const dir = line.split(' ')[1] ?? ''
      try {
        process.kill(Number(readFileSync(`${dir}.owner`, 'utf8')), 0)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ESRCH') spawnSync('umount', ['-l', dir])
      }
    }
  }

  private get balloon(): string {
    return path.join(this.dir, 'balloon')
  }

  /** Leaves nothing free. */
  fill(): void {
    const { bavail, bsize } = statfsSync(this.dir)
    spawnSync('fallocate', ['-l', String(bavail * bsize), this.balloon])
    try {
      writeFileSync(`${this.balloon}-rest`, Buffer.alloc(1 << 20))
    } catch {
      // Full: that is what was wanted.
    }
  }

  /** Gives back what `fill` took. */
  empty(): void {
    rmSync(this.balloon, { force: true })
    rmSync(`${this.balloon}-rest`, { force: true })
  }

  close(): void {
    process.removeListener('exit', this.unmount)
    this.unmount()
  }
}

function mounts(): string[] {
  try {
    return readFileSync('/proc/mounts', 'utf8').split('\n')
  } catch {
    return [] // another system than Linux
  }
}
