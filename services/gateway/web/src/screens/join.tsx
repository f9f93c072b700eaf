import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useNavigate, useParams } from 'react-router'
import { api } from '../api.ts'
import { useLanguage } from '../i18n/messages.tsx'
import { FormError } from '../parts/states.tsx'

/** Joining a family by the link of an invitation. */
export function JoinScreen() {
  const { m } = useLanguage()
  const { code = '' } = useParams()
  const client = useQueryClient()
  const navigate = useNavigate()
  const accept = useMutation({
    mutationFn: () => api('POST', `/invitations/${encodeURIComponent(code)}/accept`, {}),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: ['families'] })
      await navigate('/', { replace: true })
    },
  })
  return (
    <div className="door">
      <div className="card">
        <h1>{m.joinFamily}</h1>
        <FormError error={accept.error} />
        <button type="button" className="primary" disabled={accept.isPending} onClick={() => accept.mutate()}>
          {m.join}
        </button>
      </div>
    </div>
  )
}
