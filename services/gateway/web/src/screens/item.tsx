import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useCallback, useEffect, useState } from 'react'
import { Link, useLocation, useNavigate, useParams } from 'react-router'
import { api, erase, type Comment, type Face, type List, type Media } from '../api.ts'
import { useLanguage } from '../i18n/messages.tsx'
import { AudienceChoice } from '../parts/audience.tsx'
import { Corrections } from '../parts/corrections.tsx'
import { durationText, takenAtText } from '../parts/dates.ts'
import { Icon } from '../parts/icon.tsx'
import type { ItemPlace } from '../parts/media-grid.tsx'
import { RatingReasons } from '../parts/rating.tsx'
import { Failure, FormError, Loading } from '../parts/states.tsx'
import { useFamily } from '../session.tsx'

/** One item: the picture or video, who is in it, why it is rated so, and everything a member may do with it. */
export function ItemScreen() {
  const { id = '' } = useParams()
  const family = useFamily()
  const client = useQueryClient()
  const navigate = useNavigate()
  const { m } = useLanguage()
  const location = useLocation()
  const place = location.state as ItemPlace | null
  const at = place?.order.indexOf(id) ?? -1
  const before = at > 0 ? place?.order[at - 1] : undefined
  const after = at >= 0 ? place?.order[at + 1] : undefined
  // Opened from a link there is nothing to go back to but the album.
  const leave = useCallback(
    () => void (location.key === 'default' ? navigate('/') : navigate(-1)),
    [location.key, navigate],
  )
  const leaf = useCallback(
    (to: string | undefined) => {
      if (to) void navigate(`/items/${to}`, { replace: true, state: place })
    },
    [navigate, place],
  )
  const path = `/families/${family.id}/media/${id}`
  const item = useQuery({
    queryKey: ['item', family.id, id],
    queryFn: ({ signal }) => api<Media>('GET', path, undefined, signal),
    refetchInterval: query => (query.state.data?.state === 'pending' ? 1_500 : false),
  })
  const changed = () => {
    void client.invalidateQueries({ queryKey: ['item', family.id, id] })
    void client.invalidateQueries({ queryKey: ['media'] })
    void client.invalidateQueries({ queryKey: ['processing'] })
  }
  const favourite = useMutation({
    mutationFn: (on: boolean) => api(on ? 'PUT' : 'DELETE', `${path}/favourite`),
    onSettled: changed,
  })
  const remove = useMutation({
    mutationFn: () => api('DELETE', path),
    onSuccess: () => {
      changed()
      leave()
    },
  })
  const retry = useMutation({ mutationFn: () => api('POST', `${path}/retry`, {}), onSettled: changed })
  const [showFaces, setShowFaces] = useState(false)
  useEffect(() => {
    const key = (event: KeyboardEvent) => {
      if (event.target instanceof HTMLInputElement || event.target instanceof HTMLTextAreaElement) return
      if (event.key === 'Escape') leave()
      if (event.key === 'ArrowLeft') leaf(before)
      if (event.key === 'ArrowRight') leaf(after)
    }
    window.addEventListener('keydown', key)
    return () => window.removeEventListener('keydown', key)
  }, [leave, leaf, before, after])

  if (item.isPending) return <Loading />
  if (item.isError) return <Failure error={item.error} retry={() => void item.refetch()} />
  const media = item.data
  return (
    <article className="item">
      <div className="item-stage">
        <button type="button" className="round item-back" aria-label={m.close} onClick={leave}>
          <Icon name="close" />
        </button>
        <Picture media={media} showFaces={showFaces} />
        {before && (
          <button type="button" className="round item-before" aria-label={m.previous} onClick={() => leaf(before)}>
            <Icon name="left" />
          </button>
        )}
        {after && (
          <button type="button" className="round item-after" aria-label={m.next} onClick={() => leaf(after)}>
            <Icon name="right" />
          </button>
        )}
        <div className="item-actions">
          <button
            type="button"
            className="round"
            aria-pressed={media.favourite}
            aria-label={media.favourite ? m.unfavourite : m.favourite}
            onClick={() => favourite.mutate(!media.favourite)}
          >
            <Icon name="heart" filled={media.favourite} />
          </button>
          {(media.faces?.length ?? 0) > 0 && (
            <button
              type="button"
              className="round"
              aria-pressed={showFaces}
              aria-label={m.facesShow}
              onClick={() => setShowFaces(!showFaces)}
            >
              <Icon name="face" />
            </button>
          )}
          {media.urls?.original && (
            <a className="round" aria-label={m.download} href={media.urls.original} download={media.fileName}>
              <Icon name="download" />
            </a>
          )}
          {family.role === 'parent' && (
            <button
              type="button"
              className="round"
              aria-label={m.toTrash}
              disabled={remove.isPending}
              onClick={() => remove.mutate()}
            >
              <Icon name="trash" />
            </button>
          )}
        </div>
      </div>
      <div className="item-side">
        {media.state === 'failed' && (
          <div className="notice" role="alert">
            <p>{media.stateReason?.message ?? m.failedItem}</p>
            <button type="button" disabled={retry.isPending} onClick={() => retry.mutate()}>
              {m.retry}
            </button>
          </div>
        )}
        <Facts media={media} changed={changed} />
        <People key={media.id} media={media} changed={changed} />
        <RatingReasons rating={media.rating} />
        {family.role === 'parent' && <AudienceChoice media={media} changed={changed} />}
        <Comments media={media} changed={changed} />
        <FormError error={favourite.error ?? remove.error ?? retry.error} />
      </div>
    </article>
  )
}

function Picture({ media, showFaces }: { media: Media; showFaces: boolean }) {
  const { m } = useLanguage()
  if (media.state !== 'ready')
    return <p className="item-waiting">{media.state === 'failed' ? m.failedItem : m.pendingItem}</p>
  if (media.kind !== 'photo' && media.urls?.playback)
    return (
      <video
        key={media.urls.playback}
        src={media.urls.playback}
        poster={media.urls.poster ?? media.urls.preview}
        controls
        playsInline
        loop={media.kind === 'live'}
        preload="metadata"
      />
    )
  return (
    <div
      className="item-picture"
      style={{ '--aspect': media.width / Math.max(1, media.height) } as React.CSSProperties}
    >
      <img src={media.urls?.preview} alt={media.description || media.fileName} />
      {showFaces && media.faces?.map(face => <FaceBox key={face.id} face={face} />)}
    </div>
  )
}

function FaceBox({ face }: { face: Face }) {
  const { m } = useLanguage()
  const percent = (value: number) => `${value * 100}%`
  const label = face.personName ?? (face.age === undefined ? m.unknownPerson : m.aboutYears(Math.round(face.age)))
  return (
    <Link
      className="face-box"
      to={face.personId ? `/people/${face.personId}` : '/people'}
      style={{
        left: percent(face.box.x),
        top: percent(face.box.y),
        width: percent(face.box.w),
        height: percent(face.box.h),
      }}
    >
      <span>{label}</span>
    </Link>
  )
}

/** Which of the faces it is: cut from the picture. A video's faces are of other moments than its poster. */
function FaceOnPicture({ media, face: { box } }: { media: Media; face: Face }) {
  if (media.kind === 'video' || !media.urls?.preview) return null
  const at = (start: number, length: number) => `${length < 1 ? (100 * start) / (1 - length) : 0}%`
  return (
    <span
      className="face-on-picture"
      style={{
        backgroundImage: `url("${media.urls.preview}")`,
        backgroundSize: `${100 / box.w}% ${100 / box.h}%`,
        backgroundPosition: `${at(box.x, box.w)} ${at(box.y, box.h)}`,
      }}
    />
  )
}

function People({ media, changed }: { media: Media; changed(): void }) {
  const { m } = useLanguage()
  const family = useFamily()
  const client = useQueryClient()
  const remove = useMutation({
    mutationFn: (face: Face) => erase(`/families/${family.id}/faces/${face.id}`),
    onSuccess: () => {
      for (const key of ['people', 'questions', 'proposals', 'pages', 'erasures'])
        void client.invalidateQueries({ queryKey: [key] })
    },
    onSettled: changed,
  })
  if (!media.faces?.length && !remove.isSuccess) return null
  const named = (media.faces ?? []).toSorted((a, b) => Number(!a.personName) - Number(!b.personName))
  return (
    <section>
      <h2>{m.peopleTitle}</h2>
      <ul className="names">
        {named.map(face => (
          <li key={face.id}>
            <FaceOnPicture media={media} face={face} />
            {face.personId ? (
              <Link to={`/people/${face.personId}`}>{face.personName ?? m.unknownPerson}</Link>
            ) : (
              m.unknownPerson
            )}
            {face.age !== undefined && <small>{m.aboutYears(Math.round(face.age))}</small>}
            {family.role === 'parent' && (
              <button
                type="button"
                className="inline"
                disabled={remove.isPending}
                aria-label={m.removeFaceOf(face.personName ?? m.unknownPerson)}
                onClick={() => {
                  if (window.confirm(m.removeFaceSure)) remove.mutate(face)
                }}
              >
                {m.removeFace}
              </button>
            )}
          </li>
        ))}
      </ul>
      {remove.isSuccess && (
        <p role="status" className="muted">
          {m.faceRemoved}
        </p>
      )}
      <FormError error={remove.error} />
    </section>
  )
}

function Facts({ media, changed }: { media: Media; changed(): void }) {
  const { m, locale } = useLanguage()
  const family = useFamily()
  const [editing, setEditing] = useState(false)
  const place = [media.place?.city, media.place?.region, media.place?.country].filter(Boolean).join(', ')
  if (editing)
    return (
      <Corrections
        media={media}
        close={() => {
          setEditing(false)
          changed()
        }}
      />
    )
  return (
    <section className="facts">
      <h1>{media.takenAt ? takenAtText(media.takenAt, media.takenAtPrecision, locale) : m.takenUnknown}</h1>
      {media.takenAtSource && <small>{m.takenSource(media.takenAtSource)}</small>}
      {place && <p>{place}</p>}
      {media.description && <p className="description">{media.description}</p>}
      <dl>
        <dt>{m.fileName}</dt>
        <dd>{media.fileName}</dd>
        {media.width > 0 && (
          <>
            <dt>{m.size}</dt>
            <dd>
              {media.width} × {media.height}
            </dd>
          </>
        )}
        {media.duration !== undefined && (
          <>
            <dt>{m.duration}</dt>
            <dd>{durationText(media.duration)}</dd>
          </>
        )}
      </dl>
      {family.role === 'parent' && media.state !== 'pending' && (
        <button type="button" onClick={() => setEditing(true)}>
          {m.edit}
        </button>
      )}
    </section>
  )
}

function Comments({ media, changed }: { media: Media; changed(): void }) {
  const { m, locale } = useLanguage()
  const family = useFamily()
  const client = useQueryClient()
  const path = `/families/${family.id}/media/${media.id}/comments`
  const comments = useQuery({ queryKey: ['comments', media.id], queryFn: () => api<List<Comment>>('GET', path) })
  const [text, setText] = useState('')
  const send = useMutation({
    mutationFn: () => api('POST', path, { text }),
    onSuccess: () => {
      setText('')
      void client.invalidateQueries({ queryKey: ['comments', media.id] })
      changed()
    },
  })
  return (
    <section>
      <h2>{m.comments}</h2>
      <ul className="comments">
        {comments.data?.items.map(comment => (
          <li key={comment.id}>
            <p>{comment.text}</p>
            <small>
              {comment.memberName}{' '}
              {new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short' }).format(
                new Date(comment.at),
              )}
            </small>
          </li>
        ))}
      </ul>
      <form
        className="row"
        onSubmit={event => {
          event.preventDefault()
          if (text.trim()) send.mutate()
        }}
      >
        <input
          value={text}
          onChange={event => setText(event.target.value)}
          placeholder={m.addComment}
          aria-label={m.addComment}
          maxLength={2000}
        />
        <button type="submit" disabled={send.isPending || !text.trim()}>
          {m.send}
        </button>
      </form>
      <FormError error={send.error} />
    </section>
  )
}
