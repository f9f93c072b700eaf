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
  /** Query string that tells the item view what comes before and after. */
  context?: string
}

/** Items in rows of equal height, a heading for each month. */
export function MonthGrid(props: GridProps & { heading?: (month: string, items: Media[]) => string }) {
  const { locale, m } = useLanguage()
  return (
    <>
      {byMonth(props.items).map(({ month, items }) => (
        <section key={month || 'none'} className="month" aria-label={monthName(month, locale) || m.takenUnknown}>
          <h2>
            {monthName(month, locale) || m.takenUnknown}
            {props.heading && <small>{props.heading(month, items)}</small>}
          </h2>
          <MediaGrid {...props} items={items} />
        </section>
      ))}
    </>
  )
}

/** Items in rows of equal height. */
export function MediaGrid({ items, picked, onPick, context = '' }: GridProps) {
  return (
    <ul className="grid">
      {items.map(item => (
        <Tile key={item.id} item={item} picked={picked?.has(item.id) ?? false} onPick={onPick} context={context} />
      ))}
      <li className="grid-end" aria-hidden="true" />
    </ul>
  )
}

function Tile({
  item,
  picked,
  onPick,
  context,
}: {
  item: Media
  picked: boolean
  onPick: GridProps['onPick']
  context: string
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
        <Link className="tile" to={`/items/${item.id}${context}`} aria-label={label}>
          {inside}
        </Link>
      )}
    </li>
  )
}
