import { open, readdir, realpath, stat } from 'node:fs/promises'
import path from 'node:path'

/** What a file of an imported folder is to Keepsake. */
export type FileRole = 'photo' | 'video' | 'sidecar'

/** One file to upload. */
export interface FoundFile {
  /** Absolute. */
  path: string
  /** Inside the imported folder, '/' between the parts; begins with the folder's own name where several are imported. */
  relativePath: string
  role: FileRole
  /** Bytes. */
  size: number
  /** Milliseconds since 1970. */
  modified: number
}

/** What a walk found. */
export interface Found {
  files: FoundFile[]
  /** Files that are no photo, video or known sidecar: relative paths. */
  ignored: string[]
  /** Files and folders that could not be read, with the reason. */
  unreadable: { relativePath: string; reason: string }[]
}

const photos = new Set(
  'jpg jpeg jpe jfif mpo png apng webp avif heic heif hif gif tif tiff jxl bmp svg dng cr2 cr3 nef arw orf rw2 raf'.split(
    ' ',
  ),
)
const videos = new Set('mp4 m4v mov qt mkv webm avi mpg mpeg mts m2ts 3gp 3g2 wmv flv ogv'.split(' '))

/**
 * Every photo, video and sidecar under the given folders or files, sorted by path. A folder that is reached twice (by a
 * symbolic link or a loop of them) is walked once; a link to a folder that holds the imported one is a loop too, and not
 * followed; a link that leads nowhere is named as unreadable.
 */
export async function findFiles(roots: readonly string[]): Promise<Found> {
  const found: Found = { files: [], ignored: [], unreadable: [] }
  const seen = new Set<string>()
  for (const root of roots) {
    const absolute = path.resolve(root)
    const prefix = roots.length > 1 ? `${path.basename(absolute)}/` : ''
    const info = await stat(absolute)
    if (info.isDirectory()) await walk(absolute, prefix, found, seen, await above(absolute))
    else await takeFiles(path.dirname(absolute), prefix, [path.basename(absolute)], found, seen)
  }
  found.files.sort((a, b) => (a.relativePath < b.relativePath ? -1 : 1))
  return found
}

/** The real paths of every folder that holds this one. */
async function above(folder: string): Promise<ReadonlySet<string>> {
  const parents = new Set<string>()
  for (let each = path.dirname(await realpath(folder)); !parents.has(each); each = path.dirname(each)) parents.add(each)
  return parents
}

async function walk(
  folder: string,
  prefix: string,
  found: Found,
  seen: Set<string>,
  parents: ReadonlySet<string>,
): Promise<void> {
  const real = await realpath(folder)
  if (seen.has(real) || parents.has(real)) return
  seen.add(real)
  let names: string[]
  try {
    names = await readdir(folder)
  } catch (error) {
    found.unreadable.push({ relativePath: prefix, reason: reasonOf(error) })
    return
  }
  const files: string[] = []
  for (const name of names.sort()) {
    // Folders that begin with a dot are programs' own: thumbnails, version control, trash.
    if (name === '@eaDir') continue
    try {
      const info = await stat(path.join(folder, name)) // follows links: a loop ends at `seen`
      if (info.isDirectory()) {
        if (!name.startsWith('.')) await walk(path.join(folder, name), `${prefix}${name}/`, found, seen, parents)
      } else if (info.isFile()) files.push(name)
      else found.ignored.push(prefix + name) // a socket, a pipe, a device: reading it could hang for ever
    } catch (error) {
      found.unreadable.push({ relativePath: prefix + name, reason: reasonOf(error) })
    }
  }
  await takeFiles(folder, prefix, files, found, seen)
}

async function takeFiles(
  folder: string,
  prefix: string,
  names: string[],
  found: Found,
  seen: Set<string>,
): Promise<void> {
  const media = new Set<string>()
  const later: string[] = []
  const take = async (name: string, role: FileRole) => {
    const file = path.join(folder, name)
    const real = await realpath(file)
    if (seen.has(real)) return
    seen.add(real)
    const info = await stat(file)
    found.files.push({
      path: file,
      relativePath: prefix + name,
      role,
      size: info.size,
      modified: Math.round(info.mtimeMs),
    })
  }
  for (const name of names) {
    let role: FileRole | undefined
    try {
      role = await roleOf(folder, name)
    } catch (error) {
      found.unreadable.push({ relativePath: prefix + name, reason: reasonOf(error) })
      continue
    }
    if (!role) later.push(name)
    else {
      media.add(name.toLowerCase()).add(stem(name).toLowerCase())
      await take(name, role)
    }
  }
  for (const name of later) {
    if (isSidecar(name, media)) await take(name, 'sidecar')
    else found.ignored.push(prefix + name)
  }
}

async function roleOf(folder: string, name: string): Promise<FileRole | undefined> {
  if (name.startsWith('._')) return undefined // what macOS leaves on foreign disks: no picture, whatever it is called
  const ending = path.extname(name).slice(1).toLowerCase()
  if (photos.has(ending)) return 'photo'
  if (videos.has(ending)) return 'video'
  // A photo that lost its ending is still a photo.
  return ending === '' || !/^[a-z0-9]{1,5}$/.test(ending) ? sniff(path.join(folder, name)) : undefined
}

/** photo or video by the first bytes. */
async function sniff(file: string): Promise<FileRole | undefined> {
  const handle = await open(file)
  try {
    const head = Buffer.alloc(12)
    const { bytesRead } = await handle.read(head, 0, 12, 0)
    const text = head.subarray(0, bytesRead).toString('latin1')
    if (/^(\xff\xd8\xff|\x89PNG|GIF8|RIFF....WEBP|II\*\0|MM\0\*)/s.test(text)) return 'photo'
    if (/^....ftyp(heic|heix|mif1|msf1|avif|avis)/s.test(text)) return 'photo'
    if (/^....ftyp/s.test(text) || text.startsWith('\x1a\x45\xdf\xa3')) return 'video'
    return undefined
  } finally {
    await handle.close()
  }
}

/** IMG.xmp, IMG.jpg.xmp, IMG.json or IMG.jpg.json (also IMG.jpg.supplemental-metadata.json) beside IMG.jpg. */
function isSidecar(name: string, media: ReadonlySet<string>): boolean {
  const lower = name.toLowerCase()
  const match = /^(.+?)(?:\.suppl[a-z-]*)?\.(?:xmp|json)$/.exec(lower)
  return match !== null && (media.has(match[1] ?? '') || media.has(stem(lower)))
}

const stem = (name: string) => name.slice(0, name.length - path.extname(name).length)

function reasonOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code
  if (code === 'ENOENT') return 'the link leads nowhere'
  if (code === 'ELOOP') return 'the link leads to itself'
  if (code === 'EACCES' || code === 'EPERM') return 'it may not be read'
  return code ?? String(error)
}
