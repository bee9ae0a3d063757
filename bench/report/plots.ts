/** Plots as SVG, drawn by ECharts without a browser. */
import * as echarts from 'echarts';
import type { Plot } from '../row.ts';

const SIZE = { width: 720, height: 400 };

export function svgOf(plot: Plot): string {
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, ...SIZE });
  try {
    chart.setOption({
      animation: false,
      backgroundColor: '#ffffff',
      title: { text: plot.title, left: 'center', textStyle: { fontSize: 15 } },
      legend: { bottom: 4, type: 'plain' },
      grid: { left: 70, right: 30, top: 50, bottom: 75 },
      xAxis: axis(plot.x, 30),
      yAxis: axis(plot.y, 50),
      series: plot.series.map(({ name, points }) => ({
        name,
        type: 'line',
        symbol: 'circle',
        symbolSize: points.length > 40 ? 0 : 7,
        data: points.map(([x, y]) => [x, y]),
      })),
    });
    return `${chart.renderToSVGString()}\n`;
  } finally {
    chart.dispose();
  }
}

function axis({ title, scale }: Plot['x'], nameGap: number) {
  return {
    type: scale === 'log' ? 'log' : 'value',
    name: title,
    nameLocation: 'middle',
    nameGap,
    min: scale === 'log' ? undefined : 0,
  } as const;
}
