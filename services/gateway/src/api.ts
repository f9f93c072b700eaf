import { accountEndpoints } from './accounts.js'
import type { AnyEndpoint } from './endpoint.js'
import { erasureEndpoints } from './erasures.js'
import { exportEndpoint } from './export.js'
import { familyEndpoints } from './families.js'
import { eventEndpoint, type LiveEvents } from './live-events.js'
import { mediaEndpoints } from './media.js'
import { movieEndpoints } from './movies.js'
import { pageEndpoints } from './pages.js'
import { peopleEndpoints } from './people.js'
import { processingEndpoints } from './processing.js'

/** Every operation of the public API but the uploads, which speak tus. */
export const apiEndpoints = (live: LiveEvents): readonly AnyEndpoint[] => [
  ...accountEndpoints,
  ...familyEndpoints,
  ...erasureEndpoints,
  ...mediaEndpoints,
  ...processingEndpoints,
  ...peopleEndpoints,
  ...pageEndpoints,
  ...movieEndpoints,
  exportEndpoint,
  eventEndpoint(live),
]
