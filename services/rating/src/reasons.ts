/** A sentence per reason and language. `{x}` is a parameter; `{count|one|many}` chooses by number. */
const sentences = {
  base: { en: 'Every item starts here.', ja: 'すべての写真の出発点です。' },
  children: { en: '{count|A child is|{count} children are} in it.', ja: '子どもが{count}人写っています。' },
  'children-maybe': { en: 'Someone may be a child.', ja: '子どもかもしれない人が写っています。' },
  'children-known': {
    en: '{count|One of your children is|{count} children are} in it.',
    ja: 'お子さまが写っています（{count}人）。',
  },
  smiles: { en: 'Someone is smiling.', ja: '笑顔が写っています。' },
  'smiles-few': { en: 'Hardly anyone is smiling.', ja: '笑顔はあまりありません。' },
  'eyes-open': { en: 'Eyes are open.', ja: '目が開いています。' },
  'eyes-shut': { en: 'Eyes are closed or hard to see.', ja: '目が閉じているか、見えにくいです。' },
  'face-large': { en: 'A face is close and large.', ja: '顔が大きく写っています。' },
  'face-small': { en: 'Faces are small.', ja: '顔が小さく写っています。' },
  'face-sharp': { en: 'Faces are sharp.', ja: '顔がはっきり写っています。' },
  'face-blurred': { en: 'Faces are blurred.', ja: '顔がぼやけています。' },
  'named-people': {
    en: '{count|Someone|{count} people} you named {count|is|are} in it.',
    ja: '名前のある人が{count}人写っています。',
  },
  favourites: {
    en: '{count|One member|{count} members} marked it as a favourite.',
    ja: '{count}人がお気に入りにしました。',
  },
  comments: { en: '{count|One comment|{count} comments}.', ja: 'コメントが{count}件あります。' },
  'audience-everyone': { en: 'Everyone in the family may see it.', ja: '家族全員が見られます。' },
  'audience-groups': { en: 'A part of the family may see it.', ja: '家族の一部が見られます。' },
  'quality-good': { en: 'A clear, well exposed picture.', ja: '明るく鮮明な写真です。' },
  'quality-fair': { en: 'The picture quality is fair.', ja: '画質は普通です。' },
  'quality-poor': { en: 'The picture is blurred, dark or small.', ja: 'ぼやけている、暗い、または小さい写真です。' },
  duplicate: { en: 'A very similar item is better.', ja: 'よく似た、より良い写真があります。' },
  mundane: { en: 'It looks like a {what}.', ja: '記念の写真ではないようです（{what}）。' },
  'date-file': {
    en: 'Only the date of the file is known.',
    ja: '撮影日時が分からず、ファイルの日付だけが分かります。',
  },
  'block-less': { en: 'You asked to see less of this.', ja: '「表示を減らす」に設定されています。' },
  'block-never': { en: 'You asked never to see this.', ja: '「表示しない」に設定されています。' },
  'pick-locked': { en: 'You asked for it.', ja: 'ご指定の写真です。' },
  'pick-rating': {
    en: 'One of the best of its time (rating {rating}).',
    ja: 'この時期の中でも特に良い写真です（評価 {rating}）。',
  },
  'pick-period': {
    en: 'The best of a time with few items (rating {rating}).',
    ja: '写真の少ない時期の一番良い写真です（評価 {rating}）。',
  },
  'pick-child': {
    en: 'So that each child is seen (rating {rating}).',
    ja: 'どのお子さまも登場するように選びました（評価 {rating}）。',
  },
  'pick-video': {
    en: 'A moving picture for variety (rating {rating}).',
    ja: '変化をつけるための動画です（評価 {rating}）。',
  },
  'not-banned': { en: 'You took it out.', ja: '除外に指定されています。' },
  'not-blocked': { en: 'A block covers it.', ja: '「表示しない」に設定されています。' },
  'not-audience': {
    en: 'Not everyone who will see this may see it.',
    ja: '見る人の中に、この写真を見られない人がいます。',
  },
  'not-period': { en: 'It is outside the period.', ja: '期間外です。' },
  'not-child': { en: 'The child is not in it.', ja: 'お子さまが写っていません。' },
  'not-mundane': { en: 'It looks like a {what}.', ja: '記念の写真ではないようです（{what}）。' },
  'not-known': { en: 'It is not in the album.', ja: 'アルバムにありません。' },
  'not-duplicate': { en: 'A very similar item was chosen.', ja: 'よく似た写真が選ばれています。' },
  'not-moment': { en: 'Enough was chosen from the same moment.', ja: '同じ場面から十分に選ばれています。' },
  'not-balance': {
    en: 'Others were needed to cover the whole period.',
    ja: '期間全体のバランスを取るため、ほかの写真が選ばれました。',
  },
  'not-rating': {
    en: 'Others are rated higher (this one {rating}).',
    ja: 'ほかの写真の評価が上でした（この写真は {rating}）。',
  },
} as const

/** Languages in which reasons are written. */
export type Language = 'en' | 'ja'

/** Keys of all reasons, for other renderers. */
export const reasonKeys = Object.keys(sentences)

/** Renders a reason. A key that is not known is an error of ours, not of the reader. */
export function sentence(key: string, params: Record<string, string>, language: Language = 'en'): string {
  const found = (sentences as Record<string, Record<Language, string>>)[key]
  if (!found) throw new Error(`no sentence for the reason ${key}`)
  const chosen = found[language].replace(
    /\{(\w+)\|([^|{}]*)\|((?:[^{}]|\{\w+\})*)\}/g,
    (_, name: string, one: string, many: string) => (params[name] === '1' ? one : many),
  )
  return chosen.replace(/\{(\w+)\}/g, (_, name: string) => params[name] ?? '')
}
