package cmd

import "net/http"

// Flush sends what was written so far. MinIO's last commit wraps every answer in a trackingResponseWriter, which cannot
// flush: so its stream of events (ListenBucketNotification) stays in a buffer and nobody hears of an upload.
// local/minio/build adds this file to MinIO's package cmd.
func (w *trackingResponseWriter) Flush() {
	if flusher, ok := w.ResponseWriter.(http.Flusher); ok {
		flusher.Flush()
	}
}
