import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect, useRef, useState } from 'react'
import { api, type Processing, type Stage } from '../api.ts'
import { useLanguage } from '../i18n/messages.tsx'
import { useFamily } from '../session.tsx'
import { useLiveUpdates } from './live.ts'

const whileWorkingMs = 1_500
const whenSettledMs = 20_000
/** Work that is over sooner, as the rating after a favourite is, gets no strip. */
const worthTellingMs = 4_000

const settled = (processing: Processing) =>
  processing.items.pending === 0 && Object.values(processing.stages).every(stage => (stage?.pending ?? 0) === 0)

/** A thin strip that says what the album is still working on; gone when everything is settled. */
export function ProcessingStrip() {
  const family = useFamily()
  const { m } = useLanguage()
  const client = useQueryClient()
  useLiveUpdates()
  const { data } = useQuery({
    queryKey: ['processing', family.id],
    queryFn: () => api<Processing>('GET', `/families/${family.id}/processing`),
    refetchInterval: query => (query.state.data && settled(query.state.data) ? whenSettledMs : whileWorkingMs),
  })
  const working = data !== undefined && !settled(data)
  const before = useRef(false)
  useEffect(() => {
    // What was shown while the work went on is out of date once it has ended.
    if (before.current && !working) void client.invalidateQueries()
    before.current = working
  }, [working, client])
  const [told, setTold] = useState(false)
  useEffect(() => {
    const timer = setTimeout(() => setTold(working), working ? worthTellingMs : 0)
    return () => clearTimeout(timer)
  }, [working])
  if (!working || !told) return null
  const stages: [string, Stage | undefined][] = [
    [m.stageIngest, data.stages.ingest],
    [m.stageFaces, data.stages.faces],
    [m.stagePeople, data.stages.people],
    [m.stageRatings, data.stages.ratings],
  ]
  return (
    <div className="processing" role="status">
      <strong>{m.processing}</strong>
      {stages.map(([label, stage]) =>
        stage && stage.done + stage.pending > 0 ? (
          <label key={label}>
            <span>{label}</span>
            <progress max={stage.done + stage.pending + stage.failed} value={stage.done + stage.failed} />
          </label>
        ) : null,
      )}
    </div>
  )
}
