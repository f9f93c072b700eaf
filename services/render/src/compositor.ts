/** Draws a storyboard's slots frame by frame. At most two slots and one picture ahead are open, so memory does not grow with length. */
import sharp from 'sharp'
import { ClipReader } from './av.js'
import { rectAt, type Rect } from './framing.js'
import { Glyphs } from './glyphs.js'
import { Kernel, yuvBytes, type Layer, type Yuv } from './kernel.js'
import { FPS, type Picture, type Slot, type Storyboard } from './storyboard.js'
import { drawText } from './text-layer.js'

/** Sources of a slow zoom are held at 1.2 times the size shown: sub-pixel sampling from there has no visible shake. */
const OVERSAMPLE = 1.2
/** Cards and backgrounds: how dark, and how soft as a share of the film's shorter side. */
const BACKGROUND_LIGHT = 0.55
const CARD_TEXT_FRAMES = 10
/** Pools: the slot before, the slot itself, and the next one being prepared. */
const POOL = 3

/** Where the bytes of a picture lie, by mediaId and rendition. */
export type Sources = (picture: Picture) => string

interface Drawer {
  /** Draws frame `k` of the slot into `target`. Frames are asked for in ascending order. */
  draw(k: number, target: Yuv): Promise<void>
  close(): void
}

/** Memory of one open slot. */
interface Room {
  source: number
  background: Yuv
  layerColour: number
  layerMask: number
}

/** One compositor for each film. */
export class Compositor {
  private readonly kernel: Kernel
  private readonly glyphs = new Glyphs()
  private readonly rooms: Room[]
  private readonly rgb: number
  private readonly panel: number
  private readonly frame: Yuv
  private readonly other: Yuv
  private readonly black: Yuv
  private readonly open = new Map<number, Promise<Drawer>>()
  private readonly fallen = new Set<number>()

  constructor(
    private readonly board: Storyboard,
    private readonly sources: Sources,
  ) {
    const { width, height } = board
    this.kernel = new Kernel(Math.max(width, height))
    const most = yuvBytes(evenUp(width * OVERSAMPLE) + 4, evenUp(height * OVERSAMPLE) + 4)
    this.rooms = Array.from({ length: POOL }, () => ({
      source: this.kernel.reserve(most),
      background: this.kernel.picture(width, height),
      layerColour: this.kernel.reserve(yuvBytes(width, height)),
      layerMask: this.kernel.reserve(yuvBytes(width, height)),
    }))
    this.rgb = this.kernel.reserve(most * 2)
    this.panel = this.kernel.reserve(yuvBytes(width, height))
    this.frame = this.kernel.picture(width, height)
    this.other = this.kernel.picture(width, height)
    this.black = this.kernel.picture(width, height)
    this.kernel
      .bytes(this.black)
      .fill(16, 0, width * height)
      .fill(128, width * height)
  }

  /** All frames of one slot, its fade from the slot before included. The bytes are good until the next frame is asked for. */
  async *slot(index: number): AsyncGenerator<Uint8Array> {
    const slot = this.slotAt(index)
    for (const [i, drawer] of this.open) {
      if (i < index - 1 || i > index + 1) await this.shut(i, drawer)
    }
    const current = await this.drawer(index)
    // A clip is read again from its start: the frames under the fade are the same whether the slot before was made now or found in the cache.
    const before = slot.transition.frames > 0 ? await this.drawer(index - 1) : undefined
    for (let k = 0; k < slot.frames; k++) {
      if (k === slot.transition.frames) await this.prefetch(index + 1)
      await current.draw(k, this.frame)
      if (before && k < slot.transition.frames) {
        await before.draw(this.slotAt(index - 1).frames + k, this.other)
        this.kernel.blend(this.other, this.frame, this.frame, Math.round((256 * (k + 0.5)) / slot.transition.frames))
      }
      const dark = k - (slot.frames - slot.fadeOutFrames)
      if (dark >= 0)
        this.kernel.blend(this.frame, this.black, this.frame, Math.round((256 * (dark + 1)) / slot.fadeOutFrames))
      yield this.kernel.bytes(this.frame)
    }
  }

  /** Whether what was drawn of a slot, its fade included, showed a still because a clip could not be read. Its hash promises the clip. */
  fellBack(index: number): boolean {
    return this.fallen.has(index) || (this.slotAt(index).transition.frames > 0 && this.fallen.has(index - 1))
  }

  /** One frame of a slot without its text and fades, as RGB. */
  async still(index: number, k: number): Promise<{ rgb: Buffer; width: number; height: number }> {
    for (const [i, drawer] of this.open) await this.shut(i, drawer)
    const { text: _text, ...bare } = this.slotAt(index)
    const drawer = await this.openDrawer(index, bare, this.roomOf(index))
    try {
      for (let i = bare.inS === undefined ? k : 0; i <= k; i++) await drawer.draw(i, this.frame)
      const { width, height } = this.board
      return { rgb: rgbOf(this.kernel.bytes(this.frame), width, height), width, height }
    } finally {
      drawer.close()
    }
  }

  /** Ends every open clip. */
  async close(): Promise<void> {
    for (const [i, drawer] of this.open) await this.shut(i, drawer)
  }

  private slotAt(index: number): Slot {
    const slot = this.board.slots[index]
    if (!slot) throw new RangeError(`the storyboard has no slot ${index}`)
    return slot
  }

  private roomOf(index: number): Room {
    return this.rooms[index % POOL]!
  }

  private drawer(index: number): Promise<Drawer> {
    const known = this.open.get(index)
    if (known) return known
    const made = this.openDrawer(index, this.slotAt(index), this.roomOf(index))
    this.open.set(index, made)
    return made
  }

  /** Begins to prepare a slot; a failure shows when the slot is drawn. */
  private async prefetch(index: number): Promise<void> {
    const slot = this.board.slots[index]
    if (!slot || this.open.has(index)) return
    const old = this.open.get(index - POOL)
    if (old) await this.shut(index - POOL, old)
    this.drawer(index).catch(() => undefined)
  }

  private async shut(index: number, drawer: Promise<Drawer>): Promise<void> {
    this.open.delete(index)
    const settled = await drawer.catch(() => undefined)
    settled?.close()
  }

  private async openDrawer(
    index: number,
    slot: Omit<Slot, 'text'> & Pick<Partial<Slot>, 'text'>,
    room: Room,
  ): Promise<Drawer> {
    const layer = slot.text ? await this.layer(slot.text, room) : undefined
    const drawer =
      slot.kind !== 'item'
        ? await this.card(slot.picture, room)
        : slot.picture.rendition === 'preview'
          ? await this.photo(slot, room)
          : slot.still
            ? this.live({ ...slot, still: slot.still }, room, () => this.fallen.add(index))
            : await this.clip(slot)
    if (!layer) return drawer
    const rise = slot.kind === 'item' ? 0 : CARD_TEXT_FRAMES
    return {
      draw: async (k, target) => {
        await drawer.draw(k, target)
        this.kernel.overlay(target, layer, rise > 0 ? Math.min(256, Math.round((256 * (k + 1)) / rise)) : 256)
      },
      close: () => drawer.close(),
    }
  }

  private async card(picture: Picture, room: Room): Promise<Drawer> {
    await this.background(this.sources(picture), room.background)
    return { draw: async (_k, target) => this.kernel.paste(room.background, target, 0, 0), close: () => undefined }
  }

  private async clip(slot: Pick<Slot, 'picture' | 'inS' | 'frames' | 'tailFrames' | 'framing'>): Promise<Drawer> {
    const { framing, picture } = slot
    const reader = await ClipReader.open({
      file: this.sources(picture),
      inS: slot.inS ?? 0,
      frames: slot.frames + slot.tailFrames,
      shape: picture.width / picture.height,
      crop: framing.start,
      fit: framing.fit,
      panel: framing.panel,
      film: this.board,
    })
    let at = -1
    return {
      draw: async (k, target) => {
        while (at < k && (await reader.next(planes => this.kernel.bytes(target).set(planes)))) at++
        if (at < k) throw new Error(`the clip ${picture.mediaId} gave no frame ${k} at ${slot.inS ?? 0} s`)
      },
      close: () => reader.close(),
    }
  }

  /** The clip of a live photo; from where it cannot be read on, its still, which is told by `fell`. */
  private live(
    slot: Pick<Slot, 'picture' | 'inS' | 'frames' | 'tailFrames' | 'framing'> & { still: Picture },
    room: Room,
    fell: () => void,
  ): Drawer {
    const still = (): Promise<Drawer> => this.photo({ ...slot, picture: slot.still }, room)
    let broken = false
    let drawer = this.clip(slot)
    drawer.catch(() => undefined)
    return {
      draw: async (k, target) => {
        try {
          await (await drawer).draw(k, target)
        } catch (error) {
          if (broken) throw error
          broken = true
          fell()
          void drawer.then(clip => clip.close()).catch(() => undefined)
          drawer = still()
          await (await drawer).draw(k, target)
        }
      },
      close: () => void drawer.then(d => d.close()).catch(() => undefined),
    }
  }

  private async photo(slot: Pick<Slot, 'picture' | 'frames' | 'tailFrames' | 'framing'>, room: Room): Promise<Drawer> {
    const { framing } = slot
    const file = this.sources(slot.picture)
    if (framing.fit === 'panel') await this.background(file, room.background)
    const base = framing.start.w >= framing.end.w ? framing.start : framing.end
    const held = await this.hold(file, base, framing.panel, room.source)
    const panel: Yuv = { at: this.panel, width: framing.panel.width, height: framing.panel.height }
    const last = Math.max(1, slot.frames + slot.tailFrames - 1)
    return {
      draw: async (k, target) => {
        const rect = rectAt(framing, k / last)
        const window = {
          x: (rect.x * held.imageWidth - held.left) * held.scaleX,
          y: (rect.y * held.imageHeight - held.top) * held.scaleY,
          w: rect.w * held.imageWidth * held.scaleX,
          h: rect.h * held.imageHeight * held.scaleY,
        }
        if (framing.fit === 'cover') return this.kernel.resample(held.yuv, window, target)
        this.kernel.paste(room.background, target, 0, 0)
        this.kernel.resample(held.yuv, window, panel)
        this.kernel.paste(panel, target, framing.panel.x, framing.panel.y)
      },
      close: () => undefined,
    }
  }

  /** Puts the part of a picture that the zoom can reach into kernel memory, at 1.2 times its size on screen. */
  private async hold(file: string, base: Rect, panel: { width: number; height: number }, at: number): Promise<Held> {
    const { width: imageWidth, height: imageHeight } = await uprightSize(file)
    const left = Math.floor(base.x * imageWidth)
    const top = Math.floor(base.y * imageHeight)
    const cutWidth = Math.min(imageWidth, Math.max(left + 1, Math.ceil((base.x + base.w) * imageWidth))) - left
    const cutHeight = Math.min(imageHeight, Math.max(top + 1, Math.ceil((base.y + base.h) * imageHeight))) - top
    const width = evenUp(panel.width * OVERSAMPLE)
    const height = evenUp(panel.height * OVERSAMPLE)
    const { data } = await sharp(file)
      .rotate()
      .extract({ left, top, width: cutWidth, height: cutHeight })
      .resize(width, height, { fit: 'fill', kernel: 'lanczos3' })
      .flatten({ background: '#000' })
      .toColourspace('srgb')
      .raw()
      .toBuffer({ resolveWithObject: true })
    const yuv: Yuv = { at, width, height }
    this.toPlanes(data, yuv)
    return { yuv, imageWidth, imageHeight, left, top, scaleX: width / cutWidth, scaleY: height / cutHeight }
  }

  /** A soft, dark copy of a picture over the whole film. */
  private async background(file: string, target: Yuv): Promise<void> {
    const [w, h] = [Math.round(target.width / 8), Math.round(target.height / 8)]
    const small = await sharp(file)
      .rotate()
      .resize(w, h, { fit: 'cover' })
      .flatten({ background: '#000' })
      .toColourspace('srgb')
      .blur(Math.max(2, Math.min(w, h) / 16))
      .linear(BACKGROUND_LIGHT, 0)
      .raw()
      .toBuffer()
    const large = await sharp(small, { raw: { width: w, height: h, channels: 3 } })
      .resize(target.width, target.height, { fit: 'fill', kernel: 'cubic' })
      .raw()
      .toBuffer()
    this.toPlanes(large, target)
  }

  private async layer(text: NonNullable<Slot['text']>, room: Room): Promise<Layer | undefined> {
    const picture = await drawText(text, this.board, this.glyphs)
    if (!picture) return undefined
    const { rgba, x, y, width, height } = picture
    const rgb = Buffer.allocUnsafe(width * height * 3)
    const mask = Buffer.allocUnsafe(yuvBytes(width, height))
    for (let i = 0; i < width * height; i++) {
      rgba.copy(rgb, i * 3, i * 4, i * 4 + 3)
      mask[i] = rgba[i * 4 + 3]!
    }
    let u = width * height
    for (let row = 0; row < height; row += 2) {
      for (let column = 0; column < width; column += 2) {
        const i = row * width + column
        mask[u++] = (mask[i]! + mask[i + 1]! + mask[i + width]! + mask[i + width + 1]! + 2) >> 2
      }
    }
    mask.copyWithin(u, width * height, u)
    const colour: Yuv = { at: room.layerColour, width, height }
    const masked: Yuv = { at: room.layerMask, width, height }
    this.toPlanes(rgb, colour)
    this.kernel.bytes(masked).set(mask)
    return { colour, mask: masked, x, y }
  }

  private toPlanes(rgb: Buffer, target: Yuv): void {
    if (rgb.length !== target.width * target.height * 3)
      throw new Error(`${rgb.length} bytes are no ${target.width} x ${target.height} RGB`)
    this.kernel.view(this.rgb, rgb.length).set(rgb)
    this.kernel.planesFromRgb(this.rgb, target)
  }
}

interface Held {
  yuv: Yuv
  imageWidth: number
  imageHeight: number
  left: number
  top: number
  scaleX: number
  scaleY: number
}

const evenUp = (v: number): number => 2 * Math.ceil(v / 2)

async function uprightSize(file: string): Promise<{ width: number; height: number }> {
  const { autoOrient } = await sharp(file).metadata()
  return autoOrient
}

/** BT.709 limited planes back to sRGB, for the poster. */
export function rgbOf(yuv: Uint8Array, width: number, height: number): Buffer {
  const rgb = Buffer.allocUnsafe(width * height * 3)
  const u = width * height
  const v = u + u / 4
  const clamp = (x: number): number => (x < 0 ? 0 : x > 255 ? 255 : Math.round(x))
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const c = (y >> 1) * (width >> 1) + (x >> 1)
      const luma = (yuv[y * width + x]! - 16) * (255 / 219)
      const cb = (yuv[u + c]! - 128) * (255 / 224)
      const cr = (yuv[v + c]! - 128) * (255 / 224)
      const at = (y * width + x) * 3
      rgb[at] = clamp(luma + 1.5748 * cr)
      rgb[at + 1] = clamp(luma - 0.1873 * cb - 0.4681 * cr)
      rgb[at + 2] = clamp(luma + 1.8556 * cb)
    }
  }
  return rgb
}

/** Seconds of a slot's own sound, its share of the next fade included. */
export function heardSeconds(slot: Slot): number {
  return (slot.frames + slot.tailFrames) / FPS
}
