select * from {{ window_features(spine=ref('spine'), at='day', events=ref('delay'), keys=['carrier'], event_time='n',
    aggregates={'a': {'function': 'sum', 'column': 'carrier', 'window': '1 day'}, 'mean': {'function': 'count'}}) }}
