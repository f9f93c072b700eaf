import type { Media } from '../api.ts'
import { useLanguage } from '../i18n/messages.tsx'

/** The rating as a number, and what it is made of in words, strongest first. */
export function RatingReasons({ rating }: { rating: Media['rating'] }) {
  const { m } = useLanguage()
  if (!rating)
    return (
      <section>
        <h2>{m.ratingTitle}</h2>
        <p className="muted">{m.notRated}</p>
      </section>
    )
  const parts = rating.parts.filter(part => part.points !== 0).sort((a, b) => Math.abs(b.points) - Math.abs(a.points))
  return (
    <section className="rating">
      <h2>{m.ratingTitle}</h2>
      <p className="rating-value">
        <meter min={0} max={100} value={rating.value} /> <strong>{Math.round(rating.value)}</strong>
      </p>
      <details>
        <summary>{m.ratingWhy}</summary>
        <ul>
          {parts.map(part => (
            <li key={part.name}>
              <span data-sign={part.points > 0 ? 'plus' : 'minus'}>
                {part.points > 0 ? '+' : '−'}
                {Math.abs(Math.round(part.points * 10) / 10)}
              </span>
              {part.reason}
            </li>
          ))}
        </ul>
      </details>
    </section>
  )
}
