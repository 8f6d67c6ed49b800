"""Control: wishes become requests, answers become state; coding, pictures, metrics, values, exports."""
