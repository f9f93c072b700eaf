import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect } from 'react'
import { Link, useParams } from 'react-router'
import { api, Problem, type Erasure } from '../api.ts'
import { useLanguage } from '../i18n/messages.tsx'
import { Failure, Loading } from '../parts/states.tsx'

const askAgainMs = 1_500
/** A receipt is there some moments after the erasure began. */
const patientTries = 20

/** The receipt of what the account had erased, until everybody has reported; also when the family is gone. */
export function ErasedScreen() {
  const { id = '' } = useParams()
  const { m, locale } = useLanguage()
  const client = useQueryClient()
  const receipt = useQuery({
    queryKey: ['erased', id],
    queryFn: () => api<Erasure>('GET', `/erasures/${id}`),
    retry: (tries, error) => error instanceof Problem && error.status === 404 && tries < patientTries,
    retryDelay: askAgainMs,
    refetchInterval: query => (query.state.data?.complete ? false : askAgainMs),
  })
  // What the app knew of the family is gone too.
  useEffect(() => client.removeQueries({ predicate: query => query.queryKey[0] !== 'erased' }), [client])
  if (receipt.isPending) return <Loading />
  if (receipt.isError) return <Failure error={receipt.error} retry={() => void receipt.refetch()} />
  const { kind, ids, complete, owners, startedAt } = receipt.data
  const when = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short' })
  return (
    <div className="door">
      <div className="card wide">
        <h1>{m.receiptTitle}</h1>
        <p>
          {m.erased(kind, ids.length)} · <time dateTime={startedAt}>{when.format(new Date(startedAt))}</time>
        </p>
        <p role="status">
          {complete
            ? m.erasureComplete
            : m.erasurePending(owners.filter(owner => owner.doneAt !== undefined).length, owners.length)}
        </p>
        <ul className="receipt">
          {owners.map(({ name, doneAt }) => (
            <li key={name}>
              <span>{m.erasureOwner(name)}</span>{' '}
              <small>{doneAt === undefined ? '…' : when.format(new Date(doneAt))}</small>
            </li>
          ))}
        </ul>
        <small className="muted">{m.receiptNumber(id)}</small>
        <Link to="/">{m.goOn}</Link>
      </div>
    </div>
  )
}
