import { type DragEvent, useRef, useState } from 'react';

const hasFiles = (event: DragEvent) => event.dataTransfer.types.includes('Files');

/** Files that are dropped on an element; `null` takes none. */
export function useDrop(onFiles: ((files: readonly File[]) => void) | null) {
  const depth = useRef(0);
  const [isOver, setIsOver] = useState(false);
  const leave = () => {
    depth.current = 0;
    setIsOver(false);
  };
  const handlers = {
    onDragEnter: (event: DragEvent) => {
      if (onFiles === null || !hasFiles(event)) return;
      event.preventDefault();
      // Children have their own enter and leave.
      depth.current += 1;
      setIsOver(true);
    },
    onDragOver: (event: DragEvent) => {
      // A file that is let fall beside the place must not replace the page.
      if (hasFiles(event)) event.preventDefault();
    },
    onDragLeave: (event: DragEvent) => {
      if (!hasFiles(event)) return;
      depth.current -= 1;
      if (depth.current <= 0) leave();
    },
    onDrop: (event: DragEvent) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      leave();
      const files = [...event.dataTransfer.files];
      if (files.length > 0) onFiles?.(files);
    },
  };
  return { isOver, handlers };
}
