package main

// backends are the values of --io.
var backends = []string{"mmsg", "net"}
