import { Navigate, NavLink, Route, Routes } from 'react-router'
import { useLanguage } from './i18n/messages.tsx'
import { ExportProvider } from './parts/export.tsx'
import { Icon, type IconName } from './parts/icon.tsx'
import { ProcessingStrip } from './parts/processing.tsx'
import { UploadProvider } from './parts/upload.tsx'
import { Failure, Loading } from './parts/states.tsx'
import { ErasedScreen } from './screens/erased.tsx'
import { ItemScreen } from './screens/item.tsx'
import { JoinScreen } from './screens/join.tsx'
import { MoviesScreen } from './screens/movies.tsx'
import { MovieScreen } from './screens/movie.tsx'
import { PageScreen } from './screens/page.tsx'
import { PagesScreen } from './screens/pages.tsx'
import { PeopleScreen } from './screens/people.tsx'
import { PersonScreen } from './screens/person.tsx'
import { SettingsScreen } from './screens/settings.tsx'
import { SignInScreen } from './screens/sign-in.tsx'
import { TimelineScreen } from './screens/timeline.tsx'
import { TrashScreen } from './screens/trash.tsx'
import { WelcomeScreen } from './screens/welcome.tsx'
import { FamilyProvider, useFamilies, useSession } from './session.tsx'

/** The whole app: signed out, without a family yet, or in the album. */
export function App() {
  const { state } = useSession()
  if (state === 'unknown') return <Loading />
  if (state === 'out') return <SignInScreen />
  return (
    <Routes>
      <Route path="/join/:code" element={<JoinScreen />} />
      <Route path="/erased/:id" element={<ErasedScreen />} />
      <Route path="/*" element={<Album />} />
    </Routes>
  )
}

function Album() {
  const families = useFamilies()
  if (families.isPending) return <Loading />
  if (families.isError) return <Failure error={families.error} retry={() => void families.refetch()} />
  const family = families.data.items[0]
  if (!family) return <WelcomeScreen />
  return (
    <FamilyProvider value={family}>
      <UploadProvider>
        <ExportProvider>
          <div className="frame">
            <Navigation parent={family.role === 'parent'} name={family.name} />
            <main>
              <ProcessingStrip />
              <Routes>
                <Route path="/" element={<TimelineScreen />} />
                <Route path="/items/:id" element={<ItemScreen />} />
                <Route path="/people" element={<PeopleScreen />} />
                <Route path="/people/:id" element={<PersonScreen />} />
                <Route path="/pages" element={<PagesScreen />} />
                <Route path="/pages/:id" element={<PageScreen />} />
                <Route path="/movies" element={<MoviesScreen />} />
                <Route path="/movies/:id" element={<MovieScreen />} />
                <Route path="/trash" element={<TrashScreen />} />
                <Route path="/settings" element={<SettingsScreen />} />
                <Route path="*" element={<Navigate to="/" replace />} />
              </Routes>
            </main>
          </div>
        </ExportProvider>
      </UploadProvider>
    </FamilyProvider>
  )
}

function Navigation({ parent, name }: { parent: boolean; name: string }) {
  const { m } = useLanguage()
  const places: [string, IconName, string][] = [
    ['/', 'album', m.navTimeline],
    ['/people', 'people', m.navPeople],
    ['/pages', 'page', m.navPages],
    ['/movies', 'movie', m.navMovies],
    ...(parent ? ([['/trash', 'trash', m.navTrash]] as [string, IconName, string][]) : []),
    ['/settings', 'settings', m.navSettings],
  ]
  return (
    <nav className="navigation" aria-label={m.appName}>
      <div className="brand">
        <img src="/icon.svg" alt="" width="28" height="28" />
        <span>{name}</span>
      </div>
      {places.map(([to, icon, label]) => (
        <NavLink key={to} to={to} end={to === '/'}>
          <Icon name={icon} />
          <span>{label}</span>
        </NavLink>
      ))}
    </nav>
  )
}
