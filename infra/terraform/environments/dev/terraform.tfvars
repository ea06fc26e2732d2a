region        = "eu-central-1"
prefix        = "jetl2-dev"
download_days = 7
