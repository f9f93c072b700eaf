import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { Link, useNavigate } from 'react-router'
import { api, type Child, type List, type Movie } from '../api.ts'
import { useLanguage } from '../i18n/messages.tsx'
import { durationText } from '../parts/dates.ts'
import { Icon } from '../parts/icon.tsx'
import { Empty, Failure, FormError, Loading } from '../parts/states.tsx'
import { useFamily } from '../session.tsx'

/** Every movie, and making one. */
export function MoviesScreen() {
  const { m } = useLanguage()
  const family = useFamily()
  const movies = useQuery({
    queryKey: ['movies', family.id],
    queryFn: () => api<List<Movie>>('GET', `/families/${family.id}/movies`),
    refetchInterval: query =>
      query.state.data?.items.some(movie => movie.status === 'queued' || movie.status === 'rendering') ? 1_500 : false,
  })
  const [making, setMaking] = useState(false)
  if (movies.isPending) return <Loading />
  if (movies.isError) return <Failure error={movies.error} retry={() => void movies.refetch()} />
  return (
    <>
      <header className="toolbar">
        <h1>{m.moviesTitle}</h1>
        {family.role === 'parent' && (
          <button type="button" className="primary" onClick={() => setMaking(!making)}>
            <Icon name="plus" /> {m.makeMovie}
          </button>
        )}
      </header>
      {making && <MakeMovie />}
      {movies.data.items.length === 0 && !making && <Empty text={m.moviesEmpty} />}
      <ul className="cards movies">
        {movies.data.items.map(movie => (
          <li key={movie.id} data-movie-id={movie.id} data-status={movie.status}>
            <Link to={`/movies/${movie.id}`}>
              {movie.posterUrl ? (
                <img src={movie.posterUrl} alt={movie.altText ?? ''} loading="lazy" />
              ) : (
                <span className="card-blank" />
              )}
              <strong>{movie.title || m.moviesTitle}</strong>
              <MovieState movie={movie} />
            </Link>
          </li>
        ))}
      </ul>
    </>
  )
}

/** Where a movie stands, in words or as a bar. */
export function MovieState({ movie }: { movie: Movie }) {
  const { m } = useLanguage()
  if (movie.status === 'ready') return <small>{movie.duration !== undefined && durationText(movie.duration)}</small>
  if (movie.status === 'rendering' || movie.status === 'queued')
    return (
      <small>
        {movie.status === 'queued' ? m.movieQueued : m.movieRendering} <progress max={1} value={movie.progress} />
      </small>
    )
  return (
    <small className="form-error">
      {movie.status === 'rejected' ? m.movieRejected : m.movieFailed}: {movie.statusReason?.message}
    </small>
  )
}

function MakeMovie() {
  const { m } = useLanguage()
  const family = useFamily()
  const client = useQueryClient()
  const navigate = useNavigate()
  const children = useQuery({
    queryKey: ['children', family.id],
    queryFn: () => api<List<Child>>('GET', `/families/${family.id}/children`),
  })
  const make = useMutation({
    mutationFn: (form: FormData) => {
      const text = (name: string) => String(form.get(name) ?? '').trim()
      return api<Movie>('POST', `/families/${family.id}/movies`, {
        kind: 'one-second',
        period: {
          from: text('from') ? `${text('from')}T00:00:00Z` : '1900-01-01T00:00:00Z',
          to: text('to') ? `${text('to')}T23:59:59Z` : new Date().toISOString(),
        },
        length: text('length'),
        aspect: text('aspect'),
        ...(text('title') ? { title: text('title') } : {}),
        ...(text('child') ? { childId: text('child') } : {}),
      })
    },
    onSuccess: movie => {
      void client.invalidateQueries({ queryKey: ['movies'] })
      void navigate(`/movies/${movie.id}`)
    },
  })
  return (
    <form
      className="card wide make-movie"
      onSubmit={event => {
        event.preventDefault()
        make.mutate(new FormData(event.currentTarget))
      }}
    >
      <label>
        {m.title}
        <input name="title" maxLength={80} />
      </label>
      <div className="row">
        <label>
          {m.from}
          <input name="from" type="date" />
        </label>
        <label>
          {m.to}
          <input name="to" type="date" />
        </label>
      </div>
      <div className="row">
        <label>
          {m.child}
          <select name="child">
            <option value="">{m.wholeFamily}</option>
            {children.data?.items.map(child => (
              <option key={child.id} value={child.id}>
                {child.name}
              </option>
            ))}
          </select>
        </label>
        <label>
          {m.duration}
          <select name="length" defaultValue="medium">
            <option value="short">{m.seconds(15)}</option>
            <option value="medium">{m.seconds(30)}</option>
            <option value="long">{m.seconds(60)}</option>
          </select>
        </label>
        <label>
          {m.shape}
          <select name="aspect" defaultValue="16:9">
            <option>16:9</option>
            <option>9:16</option>
            <option>1:1</option>
          </select>
        </label>
      </div>
      <FormError error={make.error} />
      <button type="submit" className="primary" disabled={make.isPending}>
        {m.make}
      </button>
    </form>
  )
}
