/** A round crop of a face; the first letter of the name, or a silhouette, where there is none. */
export function FaceCrop({ url, name }: { url: string | undefined; name: string | undefined }) {
  return (
    <span className="face-crop">
      {url ? <img src={url} alt="" loading="lazy" /> : <span>{name?.slice(0, 1) ?? '·'}</span>}
    </span>
  )
}
