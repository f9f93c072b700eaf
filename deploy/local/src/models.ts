import { prepareModels as prepare } from '@keepsake/inference'

/** Makes the folder hold every model, verified by digest; says in lines what it made or repaired. */
export async function prepareModels(dir: string, say: (line: string) => void): Promise<void> {
  let told = false
  await prepare(dir, ({ model, done, total, converted }) => {
    if (!converted) return
    if (!told) say('Preparing the models (once):')
    told = true
    say(`  ${done}/${total} ${model}`)
  })
}
