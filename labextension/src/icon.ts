import { LabIcon } from '@jupyterlab/ui-components';

const svgstr =
  '<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 16 16"><path class="jp-icon3" fill="#616161" ' +
  'd="M2 4h12v1.6H2zM2 7.2h7v1.6H2zM2 10.4h4V12H2z"/><path class="jp-icon3" fill="#616161" opacity=".45" ' +
  'd="M10 7.2h4v1.6h-4zM7 10.4h7V12H7z"/></svg>';

export const icon = new LabIcon({ name: 'jupyter_complete:ghost', svgstr });
