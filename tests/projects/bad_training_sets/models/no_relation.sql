select * from {{ point_in_time(spine='nowhere', at='day', features=['delay']) }}
