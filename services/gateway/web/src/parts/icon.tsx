const paths = {
  album: 'M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15.5 9.5h.01',
  people:
    'M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7ZM2.5 20c.5-4 3-6 6.5-6s6 2 6.5 6M16 4.5a3.5 3.5 0 0 1 0 6.5M18 14c2 .8 3.2 2.8 3.5 6',
  page: 'M6 3h9l4 4v14H6zM15 3v4h4M9 12h7M9 16h7',
  movie: 'M3 6h18v12H3zM10 9.5v5l4.5-2.5z',
  trash: 'M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13',
  settings:
    'M12 15.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7ZM12 3v3M12 18v3M3 12h3M18 12h3M5.6 5.6l2.1 2.1M16.3 16.3l2.1 2.1M5.6 18.4l2.1-2.1M16.3 7.7l2.1-2.1',
  heart: 'M12 20S4 15 4 9.5A4 4 0 0 1 12 8a4 4 0 0 1 8 1.5C20 15 12 20 12 20Z',
  plus: 'M12 5v14M5 12h14',
  left: 'M15 5l-7 7 7 7',
  right: 'M9 5l7 7-7 7',
  close: 'M6 6l12 12M18 6L6 18',
  check: 'M5 12.5l5 5L19 7',
  rotate: 'M19 12a7 7 0 1 1-2.5-5.4M19 3v4h-4',
  play: 'M8 5v14l11-7z',
  face: 'M4 8V5a1 1 0 0 1 1-1h3M16 4h3a1 1 0 0 1 1 1v3M20 16v3a1 1 0 0 1-1 1h-3M8 20H5a1 1 0 0 1-1-1v-3M9 10v.5M15 10v.5M9 15c1.8 1.5 4.2 1.5 6 0',
  download: 'M12 4v11M7 11l5 5 5-5M5 20h14',
  live: 'M12 14a2 2 0 1 0 0-4 2 2 0 0 0 0 4ZM12 18a6 6 0 1 0 0-12 6 6 0 0 0 0 12Z',
} as const

/** The icons of the app. */
export type IconName = keyof typeof paths

/** One line icon, in the colour of the text around it; the text beside it or an aria-label says what it means. */
export function Icon({ name, filled = false }: { name: IconName; filled?: boolean }) {
  return (
    <svg className="icon" viewBox="0 0 24 24" aria-hidden="true" data-filled={filled}>
      <path d={paths[name]} />
    </svg>
  )
}
