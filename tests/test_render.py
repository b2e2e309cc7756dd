import datetime as dt
from fsbuild.values import Moment
MOMENT = Moment("run", dt.datetime(2024, 5, 6, 7, 8, 9, tzinfo=dt.UTC))
