import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate, useParams } from 'react-router'
import { api, type Movie } from '../api.ts'
import { useLanguage } from '../i18n/messages.tsx'
import { durationText } from '../parts/dates.ts'
import { Failure, FormError, Loading } from '../parts/states.tsx'
import { useFamily } from '../session.tsx'
import { MovieState } from './movies.tsx'

/** One movie: it plays, says what is in it and why, and can be shown to the family. */
export function MovieScreen() {
  const { id = '' } = useParams()
  const { m } = useLanguage()
  const family = useFamily()
  const client = useQueryClient()
  const navigate = useNavigate()
  const path = `/families/${family.id}/movies/${id}`
  const movie = useQuery({
    queryKey: ['movie', family.id, id],
    queryFn: () => api<Movie>('GET', path),
    refetchInterval: query =>
      query.state.data?.status === 'queued' || query.state.data?.status === 'rendering' ? 1_000 : false,
  })
  const refreshMovies = () => {
    void client.invalidateQueries({ queryKey: ['movie'] })
    void client.invalidateQueries({ queryKey: ['movies'] })
  }
  const publish = useMutation({
    mutationFn: (published: boolean) => api('POST', `${path}/publish`, { published }),
    onSettled: refreshMovies,
  })
  const remove = useMutation({
    mutationFn: () => api('DELETE', path),
    onSuccess: () => {
      refreshMovies()
      void navigate('/movies')
    },
  })
  if (movie.isPending) return <Loading />
  if (movie.isError) return <Failure error={movie.error} retry={() => void movie.refetch()} />
  const film = movie.data
  return (
    <article className="movie">
      <h1>{film.title || m.moviesTitle}</h1>
      {film.url ? (
        <video
          key={film.url}
          src={film.url}
          poster={film.posterUrl}
          controls
          playsInline
          preload="metadata"
          aria-label={film.altText}
        >
          {film.chaptersUrl && <track kind="chapters" src={film.chaptersUrl} default />}
        </video>
      ) : (
        <div className="movie-waiting">
          <MovieState movie={film} />
        </div>
      )}
      {film.altText && <p>{film.altText}</p>}
      {family.role === 'parent' && (
        <div className="row">
          {film.status === 'ready' && (
            <>
              <button
                type="button"
                className="primary"
                disabled={publish.isPending}
                onClick={() => publish.mutate(!film.published)}
              >
                {film.published ? m.unpublish : m.publish}
              </button>
              <span className="muted">{film.published ? m.published : m.onlyParents}</span>
              <a className="button" href={film.url} download>
                {m.downloadMovie}
              </a>
            </>
          )}
          <button type="button" disabled={remove.isPending} onClick={() => remove.mutate()}>
            {m.deleteMovie}
          </button>
        </div>
      )}
      <FormError error={publish.error ?? remove.error} />
      {(film.storyboard?.length ?? 0) > 0 && (
        <details>
          <summary>{m.inThisMovie}</summary>
          <ol className="storyboard">
            {film.storyboard?.map((slot, index) => (
              <li key={index}>
                <span>{durationText(slot.start)}</span>
                {slot.mediaId ? <Link to={`/items/${slot.mediaId}`}>{slot.text || slot.reason}</Link> : slot.text}
                {slot.mediaId && <small>{slot.reason}</small>}
              </li>
            ))}
          </ol>
        </details>
      )}
    </article>
  )
}
