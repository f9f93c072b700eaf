import { Link } from 'react-router'
import type { Media } from '../api.ts'
import { useLanguage } from '../i18n/messages.tsx'
import { byMonth, durationText, monthName, takenAtText } from './dates.ts'
import { Icon } from './icon.tsx'
import { usePlaceholder } from './placeholder.ts'

interface GridProps {
  items: Media[]
  /** Ids that are picked; given with onPick, a tap picks instead of opening. */
  picked?: ReadonlySet<string>
  onPick?: (id: string) => void
  /** Ids of the whole list in its order, where the grid shows a part of it. */
  order?: readonly string[]
}

/** How many items on each side a tile tells the item view of: enough to leaf for a while, little enough for the history. */
const besides = 60

/** What the item view is told of the list it was opened from. */
export interface ItemPlace {
  order: readonly string[]
}

/** Items in rows of equal height, a heading for each month. */
export function MonthGrid(props: GridProps & { heading?: (month: string, items: Media[]) => string }) {
  const { locale, m } = useLanguage()
  const order = props.items.map(item => item.id)
  return (
    <>
      {byMonth(props.items).map(({ month, items }) => (
        <section key={month || 'none'} className="month" aria-label={monthName(month, locale) || m.takenUnknown}>
          <h2>
            {monthName(month, locale) || m.takenUnknown}
            {props.heading && <small>{props.heading(month, items)}</small>}
          </h2>
          <MediaGrid {...props} items={items} order={order} />
        </section>
      ))}
    </>
  )
}

/** Items in rows of equal height. */
export function MediaGrid({ items, picked, onPick, order }: GridProps) {
  const ids = order ?? items.map(item => item.id)
  const index = new Map(ids.map((id, i) => [id, i]))
  return (
    <ul className="grid">
      {items.map(item => (
        <Tile
          key={item.id}
          item={item}
          picked={picked?.has(item.id) ?? false}
          onPick={onPick}
          place={() => {
            const at = index.get(item.id) ?? 0
            return { order: ids.slice(Math.max(0, at - besides), at + besides + 1) }
          }}
        />
      ))}
      <li className="grid-end" aria-hidden="true" />
    </ul>
  )
}

function Tile({
  item,
  picked,
  onPick,
  place,
}: {
  item: Media
  picked: boolean
  onPick: GridProps['onPick']
  place: () => ItemPlace
}) {
  const { m, locale } = useLanguage()
  const placeholder = usePlaceholder(item.blurHash)
  const aspect = item.width > 0 && item.height > 0 ? Math.min(3, Math.max(0.4, item.width / item.height)) : 1
  const label = [
    item.takenAt && takenAtText(item.takenAt, item.takenAtPrecision, locale),
    item.place?.city,
    item.fileName,
  ]
    .filter(Boolean)
    .join(', ')
  const inside = (
    <>
      {item.state === 'ready' && item.urls?.thumbnail ? (
        <img src={item.urls.thumbnail} alt={label} loading="lazy" decoding="async" />
      ) : (
        <span className="tile-state">
          {item.state === 'failed' ? (item.stateReason?.message ?? m.failedItem) : m.pendingItem}
          <small>{item.fileName}</small>
        </span>
      )}
      {item.kind === 'video' && (
        <span className="badge">
          <Icon name="play" filled /> {item.duration !== undefined && durationText(item.duration)}
        </span>
      )}
      {item.kind === 'live' && (
        <span className="badge">
          <Icon name="live" />
        </span>
      )}
      {item.favourite && (
        <span className="badge badge-heart">
          <Icon name="heart" filled />
        </span>
      )}
    </>
  )
  const style = { '--aspect': aspect, backgroundColor: placeholder } as React.CSSProperties
  return (
    <li style={style} data-state={item.state} data-picked={picked} data-media-id={item.id}>
      {onPick ? (
        <button type="button" className="tile" aria-pressed={picked} aria-label={label} onClick={() => onPick(item.id)}>
          {inside}
        </button>
      ) : (
        <Link className="tile" to={`/items/${item.id}`} state={place()} aria-label={label}>
          {inside}
        </Link>
      )}
    </li>
  )
}
