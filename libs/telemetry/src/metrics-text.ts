import { collectMetrics, declaredMetrics, type MetricDeclaration, type Series, type Snapshot } from './metrics.js'

/**
 * All metrics of this process in Prometheus' text format.
 * Source: https://prometheus.io/docs/instrumenting/exposition_formats (text format 0.0.4).
 */
export async function metricsText(): Promise<string> {
  const snapshots = await collectMetrics()
  return snapshots.map(textOf).join('')
}

/** A metric without a value yet is shown by its help and type alone. */
function textOf({ declaration, bounds, series }: Snapshot): string {
  const { name, kind, help } = declaration
  const lines = [`# HELP ${name} ${help.replace(/\\/g, '\\\\').replace(/\n/g, '\\n')}`, `# TYPE ${name} ${kind}`]
  const labels = Object.keys(declaration.labels)
  for (const each of series) {
    const pairs = labels.map((label, i) => `${label}="${escaped(each.values[i] ?? '')}"`)
    if (kind === 'histogram') lines.push(...histogramLines(name, pairs, bounds, each))
    else lines.push(`${name}${braced(pairs)} ${each.value}`)
  }
  return `${lines.join('\n')}\n`
}

function histogramLines(name: string, pairs: readonly string[], bounds: readonly number[], series: Series): string[] {
  let below = 0
  const buckets = (series.counts ?? []).map((count, i) => {
    below += count
    return `${name}_bucket${braced([...pairs, `le="${bounds[i] ?? '+Inf'}"`])} ${below}`
  })
  return [...buckets, `${name}_sum${braced(pairs)} ${series.value}`, `${name}_count${braced(pairs)} ${below}`]
}

const braced = (pairs: readonly string[]) => (pairs.length === 0 ? '' : `{${pairs.join(',')}}`)

const escaped = (value: string) => value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n')

/** The declarations as a Markdown table for each owner. */
export function metricsTable(declarations: readonly MetricDeclaration[] = declaredMetrics()): string {
  const owners = [...new Set(declarations.map(each => each.owner))]
  const cell = (value: string) => value.replaceAll('|', '\\|')
  const row = ({ name, kind, unit, labels, help, only }: MetricDeclaration) =>
    `| \`${name}\` | ${kind} | ${unit} | ${labelsOf(labels)} | ${cell(help)}${only === undefined ? '' : ` Only ${cell(only)}.`} |`
  const table = (owner: string) =>
    [
      `## ${owner}`,
      '',
      '| name | kind | unit | labels | meaning |',
      '| --- | --- | --- | --- | --- |',
      ...declarations.filter(each => each.owner === owner).map(row),
      '',
    ].join('\n')
  return owners.map(table).join('\n')
}

const labelsOf = (labels: MetricDeclaration['labels']) =>
  Object.entries(labels)
    .map(([label, values]) => `\`${label}\`: ${typeof values === 'string' ? values : values.join(', ')}`)
    .join('; ')
