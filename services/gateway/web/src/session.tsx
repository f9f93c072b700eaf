import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { createContext, useCallback, useContext, useEffect, useMemo, useState, type ReactNode } from 'react'
import { api, mayReturn, refresh, setAccessToken, type Family, type List, type Member } from './api.ts'

interface Session {
  state: 'unknown' | 'out' | 'in'
  signIn(email: string, password: string): Promise<void>
  createAccount(email: string, password: string, name: string): Promise<void>
  /** Every other sign-in of the account ends. */
  changePassword(currentPassword: string, newPassword: string): Promise<void>
  signOut(): Promise<void>
}

const SessionContext = createContext<Session | undefined>(undefined)

/** Knows whether somebody is signed in, and signs in and out. */
export function SessionProvider({ children }: { children: ReactNode }) {
  const client = useQueryClient()
  const [state, setState] = useState<Session['state']>(() => (mayReturn() ? 'unknown' : 'out'))
  useEffect(() => {
    if (mayReturn()) void refresh().then(ok => setState(ok ? 'in' : 'out'))
    else setAccessToken(undefined)
  }, [])
  const enter = useCallback((answer: { accessToken: string }) => {
    setAccessToken(answer.accessToken)
    setState('in')
  }, [])
  const value = useMemo<Session>(
    () => ({
      state,
      signIn: async (email, password) => enter(await api('POST', '/sessions', { email, password })),
      createAccount: async (email, password, name) => enter(await api('POST', '/accounts', { email, password, name })),
      changePassword: async (currentPassword, newPassword) =>
        enter(await api('PUT', '/accounts/me/password', { currentPassword, newPassword })),
      signOut: async () => {
        await api('DELETE', '/sessions/current').catch(() => undefined)
        setAccessToken(undefined)
        client.clear()
        setState('out')
      },
    }),
    [state, enter, client],
  )
  return <SessionContext value={value}>{children}</SessionContext>
}

/** The session of the app. */
export function useSession(): Session {
  const session = useContext(SessionContext)
  if (!session) throw new Error('useSession outside SessionProvider')
  return session
}

/** Families of the signed-in account. */
export function useFamilies() {
  return useQuery({ queryKey: ['families'], queryFn: () => api<List<Family>>('GET', '/families') })
}

const FamilyContext = createContext<Family | undefined>(undefined)
export const FamilyProvider = FamilyContext.Provider

/** The family whose album is open. */
export function useFamily(): Family {
  const family = useContext(FamilyContext)
  if (!family) throw new Error('useFamily outside FamilyProvider')
  return family
}

/** Members of the family; asked for only while they are wanted. */
export function useMembers(enabled = true) {
  const family = useFamily()
  return useQuery({
    queryKey: ['members', family.id],
    queryFn: () => api<List<Member>>('GET', `/families/${family.id}/members`),
    enabled,
  })
}

/** Changes settings of the family. */
export function useFamilyChange() {
  const family = useFamily()
  const client = useQueryClient()
  return useMutation({
    mutationFn: (change: Partial<Pick<Family, 'name' | 'locale' | 'unknownFacesDays'>>) =>
      api('PATCH', `/families/${family.id}`, change),
    onSettled: () => client.invalidateQueries({ queryKey: ['families'] }),
  })
}
