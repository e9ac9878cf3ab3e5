package udp

var backends = []backend{{"mmsg", OpenMmsg}, {"net", OpenNet}}
