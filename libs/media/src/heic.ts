import { createRequire } from 'node:module'
import { DecodeFailure } from './decode-failure.js'
import type { RawPixels } from './tiff.js'

/** What a HEIC file holds; `pixels` only when they were asked for. Sizes and pixels of the primary image, turned as its own boxes say (irot, imir, clap). */
export interface HeicImage {
  storedWidth: number
  storedHeight: number
  width: number
  height: number
  images: number
  hasAlpha: boolean
  icc?: Uint8Array
  pixels?: RawPixels
}

interface HeifError {
  code: number
  subcode?: number
  message?: string
}

/** Opaque handles of libheif. */
type Handle = object

/** The part of libheif-js (1.23, WASM) that is used; its own typings name every binding of the C library as `any`. */
interface LibHeif {
  heif_context_alloc(): Handle
  heif_context_free(context: Handle): void
  heif_context_read_from_memory(context: Handle, bytes: Uint8Array): HeifError
  heif_js_context_get_list_of_top_level_image_IDs(context: Handle): number[] | HeifError
  heif_js_context_get_primary_image_handle(context: Handle): Handle & Partial<HeifError>
  heif_image_handle_get_width(handle: Handle): number
  heif_image_handle_get_height(handle: Handle): number
  /** Functions of the C library itself take the address of a handle. */
  _heif_image_handle_get_ispe_width(address: number): number
  _heif_image_handle_get_ispe_height(address: number): number
  heif_image_handle_has_alpha_channel(handle: Handle): number | boolean
  heif_image_handle_release(handle: Handle): void
  heif_image_release(image: Handle): void
  heif_js_decode_image2(
    handle: Handle,
    colorspace: unknown,
    chroma: unknown,
  ): Promise<DecodedHeif | HeifError> | DecodedHeif | HeifError
  heif_error_code: { heif_error_Ok: unknown }
  heif_colorspace: { heif_colorspace_RGB: unknown }
  heif_chroma: { heif_chroma_interleaved_RGB: unknown; heif_chroma_interleaved_RGBA: unknown }
  heif_channel: { heif_channel_interleaved: unknown }
}

interface DecodedHeif {
  image: Handle
  channels: { id: unknown; stride: number; width: number; height: number; data: Uint8Array }[]
}

let library: LibHeif | undefined

/** Loaded at the first HEIC file: it costs about 30 MB. This module lives in a child process that belongs to one pool. */
function libheif(): LibHeif {
  library ??= createRequire(import.meta.url)('libheif-js/wasm-bundle.js') as LibHeif
  return library
}

/** Reads the header, or header and pixels, of a HEIC or HEIF file. Throws a DecodeFailure. */
export async function decodeHeic(bytes: Uint8Array, maxPixels: number, want: 'header' | 'pixels'): Promise<HeicImage> {
  const heif = libheif()
  const context = heif.heif_context_alloc()
  try {
    const read = heif.heif_context_read_from_memory(context, bytes)
    if (read.code !== heif.heif_error_code.heif_error_Ok) throw heifFailure(read)
    const ids = heif.heif_js_context_get_list_of_top_level_image_IDs(context)
    const handle = heif.heif_js_context_get_primary_image_handle(context)
    if (handle.code !== undefined) throw heifFailure(handle as HeifError)
    try {
      return await readImage(heif, handle, bytes, maxPixels, want, Array.isArray(ids) ? ids.length : 1)
    } finally {
      heif.heif_image_handle_release(handle)
    }
  } finally {
    heif.heif_context_free(context)
  }
}

async function readImage(
  heif: LibHeif,
  handle: Handle,
  bytes: Uint8Array,
  maxPixels: number,
  want: 'header' | 'pixels',
  images: number,
): Promise<HeicImage> {
  const width = heif.heif_image_handle_get_width(handle)
  const height = heif.heif_image_handle_get_height(handle)
  if (width * height > maxPixels) {
    throw new DecodeFailure('TOO_MANY_PIXELS', undefined, { width: String(width), height: String(height) })
  }
  const hasAlpha = Boolean(heif.heif_image_handle_has_alpha_channel(handle))
  const icc = profileOf(bytes)
  // Embind keeps the address of a C++ object in `$$`.
  const address = (handle as { $$?: { ptr?: number } }).$$?.ptr ?? 0
  const header: HeicImage = {
    storedWidth: heif._heif_image_handle_get_ispe_width(address) || width,
    storedHeight: heif._heif_image_handle_get_ispe_height(address) || height,
    width,
    height,
    images,
    hasAlpha,
    ...(icc ? { icc } : {}),
  }
  if (want === 'header') return header
  const chroma = hasAlpha ? heif.heif_chroma.heif_chroma_interleaved_RGBA : heif.heif_chroma.heif_chroma_interleaved_RGB
  const decoded = await heif.heif_js_decode_image2(handle, heif.heif_colorspace.heif_colorspace_RGB, chroma)
  if (!('channels' in decoded)) throw heifFailure(decoded)
  try {
    const plane = decoded.channels.find(channel => channel.id === heif.heif_channel.heif_channel_interleaved)
    if (!plane) throw new DecodeFailure('CORRUPT')
    const channels = hasAlpha ? 4 : 3
    return {
      ...header,
      pixels: { data: unpadded(plane, channels), width: plane.width, height: plane.height, channels },
    }
  } finally {
    heif.heif_image_release(decoded.image)
  }
}

/** A copy without row padding: the plane itself lies in the library's memory and goes with the image. */
function unpadded(plane: DecodedHeif['channels'][number], channels: number): Uint8Array {
  const row = plane.width * channels
  if (plane.stride === row) return plane.data.slice(0, row * plane.height)
  const out = new Uint8Array(row * plane.height)
  for (let y = 0; y < plane.height; y++) out.set(plane.data.subarray(y * plane.stride, y * plane.stride + row), y * row)
  return out
}

/** The first embedded ICC profile (`colr` box of type `prof`, ISO/IEC 14496-12); the tiles and the picture share it. */
function profileOf(bytes: Uint8Array): Uint8Array | undefined {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 1024 * 1024))
  const at = head.indexOf('colrprof', 0, 'latin1')
  if (at < 4) return undefined
  const size = head.readUInt32BE(at - 4) - 12
  if (size < 128 || at + 8 + size > head.length) return undefined
  return head.subarray(at + 8, at + 8 + size)
}

function heifFailure(error: HeifError): DecodeFailure {
  const text = error.message ?? ''
  const reason = /security limit|exceeds/i.test(text)
    ? 'TOO_MANY_PIXELS'
    : /unsupported|no decoding plugin/i.test(text)
      ? 'UNSUPPORTED_FORMAT'
      : /end of file/i.test(text)
        ? 'TRUNCATED'
        : /memory/i.test(text)
          ? 'TOO_LARGE'
          : 'CORRUPT'
  return new DecodeFailure(reason, undefined, undefined, error)
}
