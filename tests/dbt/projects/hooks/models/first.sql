{{ config(materialized='table', pre_hook="{{ note('before ' ~ this.name) }}", post_hook=["{{ note('after') }}", {"sql": "{{ note('outside') }}", "transaction": false}]) }}
select 1 as x
