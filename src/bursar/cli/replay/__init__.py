"""`bursar replay`: a public trace of an inference service, run through the real gateway until the money ends."""
